#ifndef ADV_SERVER_COMPUTE_CANCEL_TOKEN_H_
#define ADV_SERVER_COMPUTE_CANCEL_TOKEN_H_

#include <functional>
#include <memory>

namespace adv {

// Says that nobody wants the answer any more. Copies share one state. Work
// looks at it before each pass; work that waits for something else watches it.
// Thread-safe.
class CancelToken {
  struct State;

 public:
  CancelToken();

  // Calls the watches. The first time alone has an effect.
  void Cancel() const;
  bool cancelled() const;

  // Calls a function once when the token is cancelled; at once, on the thread
  // that makes the watch, if it is cancelled already. The function must be
  // quick, must not throw and must not use the token. It takes only locks that
  // are never held while a token is cancelled or a watch is made or destroyed.
  class Watch {
   public:
    Watch(const CancelToken& token, std::function<void()> on_cancel);
    // The function does not run when this has returned, nor later.
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    const std::shared_ptr<State> state_;
  };

 private:
  std::shared_ptr<State> state_;
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_CANCEL_TOKEN_H_
