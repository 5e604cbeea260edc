#include "server/evaluations/subscription.h"

#include <utility>

namespace adv {

EvaluationChannel::EvaluationChannel(EvaluationListener listener)
    : listener_(std::move(listener)) {}

void EvaluationChannel::Send(const EvaluationEvent& event) {
  MutexLock lock(mutex_);
  if (closed_) return;
  // Tells Close whether the listener itself calls it.
  caller_ = std::this_thread::get_id();
  listener_(event);
  caller_ = std::thread::id();
}

void EvaluationChannel::Close() {
  closed_ = true;
  // The listener runs under the lock, so waiting for it here would never end.
  if (caller_ == std::this_thread::get_id()) return;
  MutexLock lock(mutex_);  // the listener may be running
}

Subscription::Subscription(std::shared_ptr<EvaluationChannel> channel)
    : channel_(std::move(channel)) {}

Subscription::~Subscription() { channel_->Close(); }

}  // namespace adv
