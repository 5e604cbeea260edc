#ifndef ADV_SERVER_WIRE_CALL_H_
#define ADV_SERVER_WIRE_CALL_H_

#include <absl/status/status.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <string>

#include "server/compute/cancel_token.h"
#include "server/compute/clock.h"
#include "server/parts.h"
#include "server/telemetry/rpc_metrics.h"
#include "server/wire/message_bytes.h"

namespace adv {

// What all calls share: a request id (x-request-id of the caller, or one made
// here), a deadline, a flag for its cancellation; and at its end one log line,
// the counters and the trailers.
class CallFrame {
 public:
  // All must outlive it. It counts as a call until its destruction, when
  // gRPC has sent the last of it.
  CallFrame(grpc::CallbackServerContext* context, RpcMetrics& metrics,
            const Parts& parts);
  ~CallFrame();
  CallFrame(const CallFrame&) = delete;
  CallFrame& operator=(const CallFrame&) = delete;

  const CancelToken& cancel() const { return cancel_; }
  // None if the caller set none.
  std::optional<Clock::Time> deadline() const;
  const std::string& request_id() const { return request_id_; }

  // What a call that nobody waits for any more ends with.
  absl::Status Cancelled() const;

  // Once: what to finish the call with.
  grpc::Status End(const absl::Status& status);

 private:
  grpc::CallbackServerContext* const context_;
  RpcMetrics& metrics_;
  const Parts& parts_;
  const CancelToken cancel_;
  const std::string request_id_;
  const Clock::Time start_;
};

// gRPC keeps a request's bytes until the end of the call and shows them to
// nobody else, so they may go as soon as they have been read: many calls wait.
inline grpc::ByteBuffer* Released(const grpc::ByteBuffer* bytes) {
  return const_cast<grpc::ByteBuffer*>(bytes);
}

// A unary call. Whoever holds the work calls Finish, once, from any thread;
// the call deletes itself after that, and its messages with it.
class UnaryCall : private grpc::ServerUnaryReactor {
 public:
  UnaryCall(grpc::CallbackServerContext* context, RpcMetrics& metrics,
            const Parts& parts)
      : frame_(context, metrics, parts) {}

  // What the service returns to gRPC.
  grpc::ServerUnaryReactor* reactor() { return this; }
  const CallFrame& frame() const { return frame_; }

  void Finish(const absl::Status& status) {
    const absl::Status end = status.ok() ? Encode() : status;
    grpc::ServerUnaryReactor::Finish(frame_.End(end));
  }

 protected:
  ~UnaryCall() override = default;

 private:
  // Hands the response over to gRPC.
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
// A generated service whose methods are called with bytes, so that its messages
// are read by ReadMessage. `Methods` are its WithRawCallbackMethod_...
template <typename Service, template <typename> class... Methods>
using RawMethods = typename RawMethodsOf<Service, Methods...>::Type;

// What gRPC hands to a service for one of its unary methods, in bytes, and
// what it counts by.
struct RawCall {
  grpc::CallbackServerContext* context;
  const grpc::ByteBuffer* bytes;
  grpc::ByteBuffer* reply;
  RpcMetrics& metrics;
  const Parts& parts;
};

// Calls the service's `handler` with the messages of the call, which it will
// finish; a request that is no message is refused without it.
template <typename Service, typename Request, typename Response>
grpc::ServerUnaryReactor* Receive(const RawCall& raw, Service* service,
                                  void (Service::*handler)(UnaryCall*,
                                                           const Request&,
                                                           Response*)) {
  auto* call = new MessageCall<Request, Response>(raw.context, raw.metrics,
                                                  raw.parts, raw.reply);
  const absl::Status status = ReadMessage(
      Released(raw.bytes), raw.parts.limits.message_bytes, &call->request);
  if (status.ok()) {
    (service->*handler)(call, call->request, &call->response);
  } else {
    call->Finish(status);
  }
  return call->reactor();
}

}  // namespace adv

#endif  // ADV_SERVER_WIRE_CALL_H_
