#ifndef ADV_SERVER_CALL_H_
#define ADV_SERVER_CALL_H_

#include <absl/status/status.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <string>

#include "server/cancel_token.h"
#include "server/clock.h"
#include "server/parts.h"
#include "server/rpc_metrics.h"

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

// A unary call. Whoever holds the work calls Finish, once, from any thread;
// the call deletes itself after that.
class UnaryCall final : private grpc::ServerUnaryReactor {
 public:
  UnaryCall(grpc::CallbackServerContext* context, RpcMetrics& metrics,
            const Parts& parts)
      : frame_(context, metrics, parts) {}

  // What the service returns to gRPC.
  grpc::ServerUnaryReactor* reactor() { return this; }
  const CallFrame& frame() const { return frame_; }

  void Finish(const absl::Status& status) {
    grpc::ServerUnaryReactor::Finish(frame_.End(status));
  }

 private:
  void OnCancel() override { frame_.cancel().Cancel(); }
  void OnDone() override { delete this; }

  CallFrame frame_;
};

}  // namespace adv

#endif  // ADV_SERVER_CALL_H_
