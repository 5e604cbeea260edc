#include "server/compute/cancel_token.h"

#include <atomic>
#include <map>
#include <utility>

#include "server/compute/mutex.h"

namespace adv {

struct CancelToken::State {
  // Read before every pass, by many threads: without the lock.
  std::atomic<bool> cancelled{false};
  // Held while the watches are called, so that none outlives its Watch.
  Mutex mutex;
  std::map<const Watch*, std::function<void()>> watches ADV_GUARDED_BY(mutex);
};

CancelToken::CancelToken() : state_(std::make_shared<State>()) {}

void CancelToken::Cancel() const {
  MutexLock lock(state_->mutex);
  if (state_->cancelled.exchange(true)) return;
  for (const auto& [watch, on_cancel] : state_->watches) on_cancel();
}

bool CancelToken::cancelled() const { return state_->cancelled; }

CancelToken::Watch::Watch(const CancelToken& token,
                          std::function<void()> on_cancel)
    : state_(token.state_) {
  MutexLock lock(state_->mutex);
  if (state_->cancelled) on_cancel();
  state_->watches.emplace(this, std::move(on_cancel));
}

CancelToken::Watch::~Watch() {
  MutexLock lock(state_->mutex);
  state_->watches.erase(this);
}

}  // namespace adv
