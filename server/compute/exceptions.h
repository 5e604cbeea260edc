#ifndef ADV_SERVER_COMPUTE_EXCEPTIONS_H_
#define ADV_SERVER_COMPUTE_EXCEPTIONS_H_

#include <absl/status/status.h>

#include <functional>

namespace adv {

// The one place where exceptions of LibTorch and of the standard library end.
// Returns what `work` returns; what it throws becomes INTERNAL, or
// OUT_OF_MEMORY (see errors.h) if memory ran out, and sets `threw`, if given.
absl::Status CatchExceptions(const std::function<absl::Status()>& work,
                             bool* threw = nullptr);

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_EXCEPTIONS_H_
