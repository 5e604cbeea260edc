#ifndef ADV_SERVER_COMPUTE_CANCEL_TOKEN_H_
#define ADV_SERVER_COMPUTE_CANCEL_TOKEN_H_

#include <atomic>
#include <memory>

namespace adv {

// Says that nobody wants the answer any more. Copies share one flag. Work
// looks at it before each pass; nothing is interrupted. Thread-safe.
class CancelToken {
 public:
  CancelToken() : cancelled_(std::make_shared<std::atomic<bool>>(false)) {}

  void Cancel() const { cancelled_->store(true, std::memory_order_release); }
  bool cancelled() const { return cancelled_->load(std::memory_order_acquire); }

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_;
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_CANCEL_TOKEN_H_
