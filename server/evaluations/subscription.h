#ifndef ADV_SERVER_EVALUATIONS_SUBSCRIPTION_H_
#define ADV_SERVER_EVALUATIONS_SUBSCRIPTION_H_

#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <variant>

#include "adv/v1/evaluation.pb.h"
#include "server/compute/mutex.h"

namespace adv {

// An evaluation as it ended: SUCCEEDED with its report, FAILED or CANCELLED
// with the error.
struct EvaluationEnd {
  v1::Evaluation evaluation;
  absl::Status outcome;  // what the error comes from
};
// Either progress or, last, the end.
using EvaluationEvent = std::variant<v1::EvaluationProgress, EvaluationEnd>;
// Called by one thread at a time. Must be quick (it holds up computing), must
// not throw.
using EvaluationListener = std::function<void(const EvaluationEvent&)>;

// The way from an evaluation to one listener. Thread-safe.
class EvaluationChannel {
 public:
  explicit EvaluationChannel(EvaluationListener listener);

  // Calls the listener, unless the channel is closed.
  void Send(const EvaluationEvent& event) ADV_EXCLUDES(mutex_);
  // Returns when the listener does not run and will not run again; called by
  // the listener itself, it only will not run again.
  void Close() ADV_EXCLUDES(mutex_);
  bool closed() const { return closed_; }

 private:
  const EvaluationListener listener_;
  std::atomic<bool> closed_{false};
  std::atomic<std::thread::id> caller_{};
  Mutex mutex_;  // held while the listener runs
};

// A listener's place at an evaluation: the destructor closes the channel.
class Subscription {
 public:
  explicit Subscription(std::shared_ptr<EvaluationChannel> channel);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  const std::shared_ptr<EvaluationChannel> channel_;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_SUBSCRIPTION_H_
