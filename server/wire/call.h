#ifndef ADV_SERVER_WIRE_CALL_H_
#define ADV_SERVER_WIRE_CALL_H_

#include <absl/status/status.h>
#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "server/compute/cancel_token.h"
#include "server/compute/clock.h"
#include "server/parts.h"
#include "server/telemetry/rpc_metrics.h"
#include "server/wire/message_bytes.h"

namespace adv {

// Whether a drain waits for the end of a call.
enum class WhileDraining { kIsAwaited, kIsCutOff };

// The common part of all calls: who calls, a request id (the caller's
// x-request-id, or one made here), a deadline and a cancel flag; and, at the
// end of a call, one log line, the counters and the trailers.
class CallFrame {
 public:
  // All arguments must outlive it. If it is awaited and taken, it counts as a
  // call until its destruction, when gRPC has sent the last of it.
  CallFrame(grpc::CallbackServerContext* context, RpcMetrics& metrics,
            const Parts& parts,
            WhileDraining while_draining = WhileDraining::kIsAwaited);
  ~CallFrame();
  CallFrame(const CallFrame&) = delete;
  CallFrame& operator=(const CallFrame&) = delete;

  const CancelToken& cancel() const { return cancel_; }
  // The deadline; none if the caller set none.
  std::optional<Clock::Time> deadline() const;
  const std::string& request_id() const { return request_id_; }
  // Of the trace that the call belongs to, by its traceparent; empty if it
  // gives none or a malformed one.
  const std::string& trace_id() const { return trace_id_; }

  // Asks the gate whether the call may be, the first time, and reads a message
  // of it. UNAVAILABLE (DRAINING) if the server takes no more calls. Requests
  // are read in no other way, so no call gets past the gate. Releases `bytes`.
  absl::Status Receive(const grpc::ByteBuffer* bytes,
                       google::protobuf::Message* message);
  // "unknown" before Receive.
  const Identity& caller() const { return *caller_; }
  // For JobOptions::identity.
  std::string executor_identity() const {
    return caller_ == AnonymousIdentity() ? "" : caller_->name;
  }

  // Charges the caller for work. What was not done after all is refunded.
  absl::Status Charge(int64_t cost) const {
    return parts_.gate.quotas().Charge(caller(), cost);
  }
  void Refund(int64_t cost) const {
    parts_.gate.quotas().Refund(caller(), cost);
  }

  // For the audit line of this call, if it gets one.
  void SetAttack(AuditedAttack attack) { attack_ = std::move(attack); }
  // Writes the line before the end of the call, for one that takes long.
  void AuditNow() { WriteAudit(grpc::StatusCode::OK); }

  // The status for a call that no caller waits for any more.
  absl::Status Cancelled() const;

  // Returns the status to finish the call with. To be called once.
  grpc::Status End(const absl::Status& status);

 private:
  absl::Status Admit();
  void WriteAudit(grpc::StatusCode code);

  grpc::CallbackServerContext* const context_;
  RpcMetrics& metrics_;
  const Parts& parts_;
  const CancelToken cancel_;
  const std::string request_id_;
  const std::string trace_id_;
  const Clock::Time start_;
  const bool awaited_;
  const bool taken_;
  bool admitted_ = false;
  IdentityPtr caller_;
  AuditedAttack attack_;
  bool audited_ = false;
};

// A unary call. The holder of the work calls Finish, once, from any thread. The
// call then deletes itself and its messages.
class UnaryCall : private grpc::ServerUnaryReactor {
 public:
  UnaryCall(grpc::CallbackServerContext* context, RpcMetrics& metrics,
            const Parts& parts)
      : frame_(context, metrics, parts) {}

  // The reactor that the service returns to gRPC.
  grpc::ServerUnaryReactor* reactor() { return this; }
  const CallFrame& frame() const { return frame_; }
  CallFrame& frame() { return frame_; }

  void Finish(const absl::Status& status) {
    const absl::Status end = status.ok() ? Encode() : status;
    grpc::ServerUnaryReactor::Finish(frame_.End(end));
  }

 protected:
  ~UnaryCall() override = default;

 private:
  // Writes the response for gRPC.
  virtual absl::Status Encode() = 0;
  void OnCancel() override { frame_.cancel().Cancel(); }
  void OnDone() override { delete this; }

  CallFrame frame_;
};

template <typename Request, typename Response>
class MessageCall final : public UnaryCall {
 public:
  // `reply` lives as long as the call.
  MessageCall(grpc::CallbackServerContext* context, RpcMetrics& metrics,
              const Parts& parts, grpc::ByteBuffer* reply)
      : UnaryCall(context, metrics, parts), reply_(reply) {}

  Request request;
  Response response;

 private:
  absl::Status Encode() override { return WriteMessage(response, reply_); }

  grpc::ByteBuffer* const reply_;
};

template <typename Service, template <typename> class... Methods>
struct RawMethodsOf {
  using Type = Service;
};
template <typename Service, template <typename> class First,
          template <typename> class... Others>
struct RawMethodsOf<Service, First, Others...> {
  using Type = First<typename RawMethodsOf<Service, Others...>::Type>;
};
// A generated service whose methods get bytes, so that ReadMessage reads its
// messages. `Methods` are its WithRawCallbackMethod_...
template <typename Service, template <typename> class... Methods>
using RawMethods = typename RawMethodsOf<Service, Methods...>::Type;

// The arguments that gRPC gives to a service for one unary method, in bytes,
// and the counters of the method.
struct RawCall {
  grpc::CallbackServerContext* context;
  const grpc::ByteBuffer* bytes;
  grpc::ByteBuffer* reply;
  RpcMetrics& metrics;
  const Parts& parts;
};

// Calls the service's `handler` with the messages of the call; the handler must
// see that the call is finished. Bytes that are not a request, and calls that
// are not taken, are refused without calling it.
template <typename Service, typename Request, typename Response>
grpc::ServerUnaryReactor* Receive(const RawCall& raw, Service* service,
                                  void (Service::*handler)(UnaryCall*,
                                                           const Request&,
                                                           Response*)) {
  auto* call = new MessageCall<Request, Response>(raw.context, raw.metrics,
                                                  raw.parts, raw.reply);
  const absl::Status status = call->frame().Receive(raw.bytes, &call->request);
  if (status.ok()) {
    (service->*handler)(call, call->request, &call->response);
  } else {
    call->Finish(status);
  }
  return call->reactor();
}

}  // namespace adv

#endif  // ADV_SERVER_WIRE_CALL_H_
