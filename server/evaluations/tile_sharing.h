#ifndef ADV_SERVER_EVALUATIONS_TILE_SHARING_H_
#define ADV_SERVER_EVALUATIONS_TILE_SHARING_H_

#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <thread>

#include "server/compute/clock.h"
#include "server/compute/mutex.h"
#include "server/evaluations/tile_queue.h"

namespace adv {

// Does one round after another on a thread of its own: at each news of the
// queue, when it is woken, and every second, since news are lost while a
// connection is down.
class TileSharing {
 public:
  // `queue` is not owned. `round` is UNAVAILABLE while the database is away; it
  // is done again soon. Must not throw.
  TileSharing(TileQueue* queue, std::function<absl::Status()> round);
  // Waits for the round that is under way.
  ~TileSharing();
  TileSharing(const TileSharing&) = delete;
  TileSharing& operator=(const TileSharing&) = delete;

  // Has another round begin after now. Any thread.
  void Wake() { queue_->Wake(); }
  // Whether the last round found the database.
  bool available() const { return available_; }

 private:
  void Loop() ADV_EXCLUDES(mutex_);

  TileQueue* const queue_;
  const std::function<absl::Status()> round_;
  RealClock clock_;
  std::atomic<bool> available_{true};
  Mutex mutex_;
  CondVar stop_;
  bool stopping_ ADV_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_TILE_SHARING_H_
