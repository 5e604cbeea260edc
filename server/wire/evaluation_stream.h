#ifndef ADV_SERVER_WIRE_EVALUATION_STREAM_H_
#define ADV_SERVER_WIRE_EVALUATION_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "server/compute/mutex.h"
#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

// One EvaluateRobustness call. It writes the evaluation, then the newest
// progress whenever the reader has room, and last the report. A slow reader
// misses progress but never holds up the evaluation. The stream deletes itself
// when gRPC is done with it.
class EvaluationStream final
    : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // `parts` and `metrics` live longer than the call.
  EvaluationStream(grpc::CallbackServerContext* context, const Parts& parts,
                   RpcMetrics& metrics);

  // Reads the request. It is called first; after a failure Refuse must be next.
  absl::Status Read(const grpc::ByteBuffer* request);

  // Resolves the specification, and starts the evaluation or attaches to it.
  // May wait for disks. Either Open or Refuse is called, once; Refuse ends the
  // call.
  void Open() ADV_EXCLUDES(mutex_);
  void Refuse(const absl::Status& status) ADV_EXCLUDES(mutex_);

 private:
  using Response = v1::EvaluateRobustnessResponse;

  void OnWriteDone(bool ok) override ADV_EXCLUDES(mutex_);
  void OnCancel() override ADV_EXCLUDES(mutex_);
  void OnDone() override;

  absl::StatusOr<StartedEvaluation> Start();
  // Whether the caller's quota allows what is left of the evaluation.
  absl::Status UseQuota(const ResolvedEvaluation& evaluation) const;
  void OnEvent(const EvaluationEvent& event) ADV_EXCLUDES(mutex_);
  void TakeEnd(const EvaluationEnd& end) ADV_REQUIRES(mutex_);
  // Writes the next message or finishes, if it is time for either. The caller
  // must not touch this object after it.
  void Proceed() ADV_EXCLUDES(mutex_);

  v1::EvaluateRobustnessRequest request_;
  const Parts& parts_;
  CallFrame frame_;

  Mutex mutex_;
  bool opened_ ADV_GUARDED_BY(mutex_) = false;
  bool writing_ ADV_GUARDED_BY(mutex_) = false;
  bool finished_ ADV_GUARDED_BY(mutex_) = false;
  // True once the evaluation has ended, whether or not the stream has written
  // that.
  bool evaluation_ended_ ADV_GUARDED_BY(mutex_) = false;
  std::string id_ ADV_GUARDED_BY(mutex_);
  // The messages not written yet, in this order.
  std::optional<Response> evaluation_ ADV_GUARDED_BY(mutex_);
  std::optional<Response> progress_ ADV_GUARDED_BY(mutex_);
  std::optional<Response> report_ ADV_GUARDED_BY(mutex_);
  // The status to finish with after those messages.
  std::optional<absl::Status> end_ ADV_GUARDED_BY(mutex_);
  grpc::ByteBuffer current_;  // gRPC reads it while writing_
  // Declared last and so destroyed first: no event comes after that.
  std::unique_ptr<Subscription> subscription_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_EVALUATION_STREAM_H_
