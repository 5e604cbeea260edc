#ifndef ADV_SERVER_COMPUTE_MUTEX_H_
#define ADV_SERVER_COMPUTE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

// Locks that clang's -Wthread-safety understands. Over std::mutex rather than
// absl::Mutex because ThreadSanitizer sees into it: Debian's Abseil is not
// instrumented.

#if defined(__clang__)
#define ADV_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define ADV_THREAD_ATTRIBUTE(x)
#endif

#define ADV_CAPABILITY(x) ADV_THREAD_ATTRIBUTE(capability(x))
#define ADV_SCOPED_CAPABILITY ADV_THREAD_ATTRIBUTE(scoped_lockable)
// A member that is touched only while `x` is held.
#define ADV_GUARDED_BY(x) ADV_THREAD_ATTRIBUTE(guarded_by(x))
// A function that is called with these held, or without them.
#define ADV_REQUIRES(...) ADV_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ADV_EXCLUDES(...) ADV_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ADV_ACQUIRE(...) ADV_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define ADV_RELEASE(...) ADV_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))

namespace adv {

class ADV_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ADV_ACQUIRE() { mutex_.lock(); }
  void Unlock() ADV_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a mutex for a scope.
class ADV_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ADV_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ADV_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits may end without a notification: wait in a loop over the condition.
// Waits with a time limit go through Clock, so that tests hold the time.
class CondVar {
 public:
  void Wait(Mutex& mutex) ADV_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  friend class RealClock;
  void WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point time)
      ADV_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, time);
    lock.release();
  }

  std::condition_variable condition_;
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_MUTEX_H_
