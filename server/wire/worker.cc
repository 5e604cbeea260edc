#include "server/wire/worker.h"

#include <utility>

namespace adv {

Worker::Worker(size_t capacity)
    : capacity_(capacity), thread_([this] { Loop(); }) {}

Worker::~Worker() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

bool Worker::Run(std::function<void()> task) {
  const MutexLock lock(mutex_);
  // gRPC's threads call this, so a full queue refuses instead of waiting.
  if (tasks_.size() >= capacity_) return false;
  tasks_.push_back(std::move(task));
  changed_.NotifyAll();
  return true;
}

void Worker::Loop() {
  while (true) {
    std::function<void()> task;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty() && !stopping_) changed_.Wait(mutex_);
      // Waiting tasks hold calls, so they run even when stopping.
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    // Without the lock, so that others may queue tasks meanwhile.
    task();
  }
}

}  // namespace adv
