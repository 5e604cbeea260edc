#ifndef ADV_SERVER_COMPUTE_ENDPOINT_H_
#define ADV_SERVER_COMPUTE_ENDPOINT_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "inference/open_inference.grpc.pb.h"
#include "server/compute/asker.h"
#include "server/compute/clock.h"
#include "server/compute/mutex.h"

namespace adv {

struct EndpointOptions {
  std::string name;    // by which manifests name it
  std::string target;  // HOST:PORT
  bool tls = false;
  // With TLS, as PEM: whom to trust (empty: whom the system trusts), and the
  // certificate and key to show (both or neither).
  std::string roots;
  std::string certificate;
  std::string key;
  // After so long a call counts as failed. Seconds, above 0.
  double timeout = 30;
  // How often a call that failed is made again, at least 0.
  int retries = 6;
  // Calls at once, at least 1.
  int requests = 4;
  // Images that may be sent in a second, over all callers; 0: no limit.
  double queries_per_second = 0;
  // Not owned; nullptr: the real one.
  Clock* clock = nullptr;
};

struct EndpointStats {
  int64_t queries = 0;  // images that were sent, each time that they were
  int64_t calls = 0;    // that were made
  int64_t failures = 0;
  int64_t retries = 0;      // of the calls, those that repeat another
  int64_t in_flight = 0;    // now
  double seconds = 0;       // of all calls
  double held_seconds = 0;  // for queries_per_second
};

// A server of the Open Inference Protocol, and the one owner of what is asked
// of it: how many calls run, how fast images go, and what is tried again.
//
// A call that fails for a reason that may pass (UNAVAILABLE,
// RESOURCE_EXHAUSTED, ABORTED, its deadline) is made again after a pause that
// doubles from .1 s to 5 s, by chance up to a half shorter. Retries are paid
// for: each costs 1 of an allowance of 20, to which each success adds .2. So a
// server that is in trouble is not asked many times as much as before.
//
// Errors are FAILED_PRECONDITION with the reason MODEL_UNREACHABLE and name
// the endpoint, never its address; UNAVAILABLE after Stop; CANCELLED once the
// asker is.
//
// Thread-safe.
class Endpoint {
 public:
  // Does not connect yet.
  explicit Endpoint(const EndpointOptions& options);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const std::string& name() const { return options_.name; }

  // Is not tried again.
  absl::StatusOr<inference::ModelMetadataResponse> Metadata(
      const std::string& model, const std::string& version);

  // `images` is how many the request holds.
  absl::StatusOr<inference::ModelInferResponse> Infer(
      const inference::ModelInferRequest& request, int64_t images,
      const Asker& asker) ADV_EXCLUDES(mutex_);

  // Ends the calls that run, and the pauses. There are no calls from now on.
  void Stop() ADV_EXCLUDES(mutex_);

  EndpointStats stats() const ADV_EXCLUDES(mutex_);

 private:
  using Call = std::function<grpc::Status(grpc::ClientContext*)>;

  // `call` until it succeeds or may not be made again. `what` is the model.
  absl::Status Try(absl::string_view what, int retries, int64_t images,
                   const Asker& asker, const Call& call) ADV_EXCLUDES(mutex_);
  grpc::Status CallOnce(const Call& call, const CancelToken& cancel)
      ADV_EXCLUDES(mutex_);
  // Waits for a place among the calls and for the images' turn. Not OK if
  // there is no call to be made any more.
  absl::Status Enter(int64_t images, const CancelToken& cancel)
      ADV_EXCLUDES(mutex_);
  // Pays for another try and waits before it; false if that is not allowed.
  // `tries` were made.
  bool Pause(int tries, const CancelToken& cancel) ADV_EXCLUDES(mutex_);
  // Why no call is made any more: UNAVAILABLE after Stop, CANCELLED for an
  // asker that is; OK otherwise.
  absl::Status Ended(const CancelToken& cancel) const ADV_REQUIRES(mutex_);

  const EndpointOptions options_;
  RealClock real_clock_;
  Clock& clock_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;

  mutable Mutex mutex_;
  CondVar changed_;  // a call has ended, or Stop
  bool stopped_ ADV_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> running_ ADV_GUARDED_BY(mutex_);
  int places_ ADV_GUARDED_BY(mutex_);
  double allowance_ ADV_GUARDED_BY(mutex_);
  Clock::Time next_turn_ ADV_GUARDED_BY(mutex_);
  std::minstd_rand chance_ ADV_GUARDED_BY(mutex_);
  EndpointStats stats_ ADV_GUARDED_BY(mutex_);
};

// By name.
using Endpoints = std::map<std::string, std::shared_ptr<Endpoint>>;

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_ENDPOINT_H_
