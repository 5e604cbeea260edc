#ifndef ADV_SERVER_WIRE_WORKER_H_
#define ADV_SERVER_WIRE_WORKER_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "server/compute/mutex.h"

namespace adv {

// One thread for work that may wait for the disk: loading models, the
// evaluation store. gRPC has few threads of its own. They must never wait, or
// health checks starve. Thread-safe.
class Worker {
 public:
  // At most `capacity` tasks wait.
  explicit Worker(size_t capacity);
  // Runs the waiting tasks, then ends.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False if too many tasks wait; the task then does not run.
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
