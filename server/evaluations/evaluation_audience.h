#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_AUDIENCE_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_AUDIENCE_H_

#include <functional>
#include <memory>
#include <vector>

#include "server/compute/mutex.h"
#include "server/evaluations/subscription.h"

namespace adv {

// What it means to an evaluation when a listener leaves.
enum class WhenLeft { kGoesOn, kIsCancelled };

// The listeners of one evaluation. They hear one event at a time, in order,
// and none after the end.
//
// Thread-safe. Listeners run with `order_` held, so call Send... without a
// lock that a listener may need.
class EvaluationAudience {
 public:
  // Not after SendEnd: the channel would hear nothing.
  void Join(std::shared_ptr<EvaluationChannel> channel, WhenLeft when_left)
      ADV_EXCLUDES(mutex_);

  // As if somebody who said `kGoesOn` had joined and left.
  void GoOnWhenLeft() ADV_EXCLUDES(mutex_);

  bool goes_on_when_left() const ADV_EXCLUDES(mutex_);

  // Whether all who joined have left and all of them said `kIsCancelled`.
  bool left() const ADV_EXCLUDES(mutex_);

  // Tells all who are there what `progress` returns. Calls it when it is this
  // event's turn, so that no event is older than the one before it.
  void SendProgress(const std::function<v1::EvaluationProgress()>& progress)
      ADV_EXCLUDES(order_, mutex_);
  // To be called once.
  void SendEnd(const EvaluationEnd& end) ADV_EXCLUDES(order_, mutex_);

 private:
  using Channels = std::vector<std::shared_ptr<EvaluationChannel>>;

  // Who is there; forgets the others.
  Channels Present() ADV_EXCLUDES(mutex_);

  Mutex order_;  // held while one event is sent; taken before `mutex_`
  bool ended_ ADV_GUARDED_BY(order_) = false;

  mutable Mutex mutex_;  // never held while a listener runs
  Channels channels_ ADV_GUARDED_BY(mutex_);
  bool goes_on_when_left_ ADV_GUARDED_BY(mutex_) = false;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_AUDIENCE_H_
