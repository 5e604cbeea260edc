#include "server/compute/exceptions.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <c10/util/Exception.h>

#include <exception>
#include <new>

#include "server/wire/errors.h"

namespace adv {
namespace {

// The status for what an exception says.
absl::Status FromMessage(absl::string_view what) {
  // CUDA's allocator uses these words in every LibTorch. The type of its
  // exception differs between versions, so the words decide.
  if (absl::StrContains(what, "out of memory")) {
    return Error(Reason::kOutOfMemory,
                 absl::StrCat("the device is out of memory: ", what));
  }
  return absl::InternalError(absl::StrCat("computing failed: ", what));
}

}  // namespace

absl::Status CatchExceptions(const std::function<absl::Status()>& work,
                             bool* threw) {
  absl::Status status;
  try {
    return work();
  } catch (const c10::Error& error) {
    // The backtrace would go to the caller with the message.
    status = FromMessage(error.what_without_backtrace());
    // This must come before std::exception, its base.
  } catch (const std::bad_alloc&) {
    status = Error(Reason::kOutOfMemory, "the server is out of memory");
  } catch (const std::exception& error) {
    status = FromMessage(error.what());
  } catch (...) {
    status = absl::InternalError("computing failed: unknown exception");
  }
  if (threw != nullptr) *threw = true;
  return status;
}

}  // namespace adv
