#ifndef ADV_TESTS_SERVER_GATE_H_
#define ADV_TESTS_SERVER_GATE_H_

#include "server/compute/mutex.h"

namespace adv {

// Holds threads where a test wants them.
class Gate {
 public:
  // Says "here" and waits until the gate is open.
  void Pass() {
    MutexLock lock(mutex_);
    ++arrived_;
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mutex_);
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  // Returns once `count` calls of Pass have begun.
  void AwaitArrivals(int count) {
    MutexLock lock(mutex_);
    while (arrived_ < count) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int arrived_ ADV_GUARDED_BY(mutex_) = 0;
  bool open_ ADV_GUARDED_BY(mutex_) = false;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_GATE_H_
