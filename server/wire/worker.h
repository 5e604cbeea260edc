#ifndef ADV_SERVER_WIRE_WORKER_H_
#define ADV_SERVER_WIRE_WORKER_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "server/compute/mutex.h"

namespace adv {

// One thread for what may wait for the disk: loading models, the evaluation
// store. gRPC's own few threads must never wait, or health checks starve.
// Thread-safe.
class Worker {
 public:
  // At most so many tasks wait.
  explicit Worker(size_t capacity);
  // Runs what waits, then ends.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False, and the task will not run, if too many wait.
  bool Run(std::function<void()> task) ADV_EXCLUDES(mutex_);

 private:
  void Loop() ADV_EXCLUDES(mutex_);

  const size_t capacity_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ADV_GUARDED_BY(mutex_);
  bool stopping_ ADV_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_WORKER_H_
