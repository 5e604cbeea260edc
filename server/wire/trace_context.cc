#include "server/wire/trace_context.h"

#include <cstddef>

namespace adv {
namespace {

bool IsHex(absl::string_view text) {
  // The standard allows no upper case.
  return text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

bool IsZero(absl::string_view text) {
  return text.find_first_not_of('0') == absl::string_view::npos;
}

}  // namespace

std::string TraceIdOf(absl::string_view traceparent) {
  constexpr absl::string_view kForm =
      "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00";
  if (traceparent.size() < kForm.size()) return "";
  const absl::string_view version = traceparent.substr(0, 2);
  const absl::string_view trace_id = traceparent.substr(3, 32);
  const absl::string_view parent_id = traceparent.substr(36, 16);
  const absl::string_view flags = traceparent.substr(53, 2);
  for (const size_t dash : {2, 35, 52}) {
    if (traceparent[dash] != '-') return "";
  }
  // Only a later version may go on behind the flags, with another dash.
  if (traceparent.size() > kForm.size() &&
      (version == "00" || traceparent[kForm.size()] != '-')) {
    return "";
  }
  const bool valid = IsHex(version) && version != "ff" && IsHex(trace_id) &&
                     !IsZero(trace_id) && IsHex(parent_id) &&
                     !IsZero(parent_id) && IsHex(flags);
  return valid ? std::string(trace_id) : "";
}

}  // namespace adv
