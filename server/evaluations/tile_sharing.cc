#include "server/evaluations/tile_sharing.h"

#include <chrono>
#include <utility>

namespace adv {
namespace {

constexpr int kLook = 1000;  // milliseconds
constexpr std::chrono::milliseconds kRetry{200};

}  // namespace

TileSharing::TileSharing(TileQueue* queue, std::function<absl::Status()> round)
    : queue_(queue), round_(std::move(round)), thread_([this] { Loop(); }) {}

TileSharing::~TileSharing() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    stop_.NotifyAll();
  }
  queue_->Wake();
  thread_.join();
}

void TileSharing::Loop() {
  for (;;) {
    absl::Status status = round_();
    if (status.ok()) status = queue_->AwaitNews(kLook);
    available_ = status.ok();
    const MutexLock lock(mutex_);
    // A database that is away ends each wait at once.
    const Clock::Time again = clock_.Now() + kRetry;
    while (!stopping_ && !status.ok() && clock_.Now() < again) {
      clock_.WaitUntil(stop_, mutex_, again);
    }
    if (stopping_) return;
  }
}

}  // namespace adv
