#include "server/exceptions.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <c10/util/Exception.h>

#include <exception>
#include <new>

namespace adv {
namespace {

absl::Status FromMessage(absl::string_view what) {
  // The words of CUDA's allocator in every LibTorch; its type has changed.
  if (absl::StrContains(what, "out of memory")) {
    return absl::ResourceExhaustedError(
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
    status = FromMessage(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    status = absl::ResourceExhaustedError("the server is out of memory");
  } catch (const std::exception& error) {
    status = FromMessage(error.what());
  } catch (...) {
    status = absl::InternalError("computing failed: unknown exception");
  }
  if (threw != nullptr) *threw = true;
  return status;
}

}  // namespace adv
