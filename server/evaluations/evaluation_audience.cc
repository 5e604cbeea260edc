#include "server/evaluations/evaluation_audience.h"

#include <algorithm>
#include <utility>

namespace adv {

void EvaluationAudience::Join(std::shared_ptr<EvaluationChannel> channel,
                              WhenLeft when_left) {
  MutexLock lock(mutex_);
  channels_.push_back(std::move(channel));
  // Kept when the listener leaves: what it asked for outlives it.
  if (when_left == WhenLeft::kGoesOn) goes_on_when_left_ = true;
}

void EvaluationAudience::GoOnWhenLeft() {
  MutexLock lock(mutex_);
  goes_on_when_left_ = true;
}

bool EvaluationAudience::goes_on_when_left() const {
  MutexLock lock(mutex_);
  return goes_on_when_left_;
}

bool EvaluationAudience::left() const {
  MutexLock lock(mutex_);
  // Channels that were closed may be forgotten already, so none left is like
  // all closed.
  return !goes_on_when_left_ &&
         std::all_of(channels_.begin(), channels_.end(),
                     [](const auto& channel) { return channel->closed(); });
}

void EvaluationAudience::SendProgress(
    const std::function<v1::EvaluationProgress()>& progress) {
  MutexLock order(order_);
  // The timer may ask once more after the end.
  if (ended_) return;
  const EvaluationEvent event = progress();
  for (const auto& channel : Present()) channel->Send(event);
}

void EvaluationAudience::SendEnd(const EvaluationEnd& end) {
  MutexLock order(order_);
  ended_ = true;
  const EvaluationEvent event = end;
  for (const auto& channel : Present()) channel->Send(event);
}

EvaluationAudience::Channels EvaluationAudience::Present() {
  MutexLock lock(mutex_);
  channels_.erase(
      std::remove_if(channels_.begin(), channels_.end(),
                     [](const auto& channel) { return channel->closed(); }),
      channels_.end());
  // A copy, so that listeners run without the lock and may join or leave
  // meanwhile.
  return channels_;
}

}  // namespace adv
