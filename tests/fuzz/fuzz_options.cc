// The server's command line, a flag in each line: parsing survives anything,
// and what is accepted is within the ranges that the flags tell.
#include <absl/strings/str_split.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "server/options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Errors and help go there.
  std::cout.rdbuf(nullptr);
  std::cerr.rdbuf(nullptr);
  // An argument holds no NUL.
  std::string text(reinterpret_cast<const char*>(data), size);
  text = text.substr(0, text.find('\0'));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  std::vector<const char*> arguments = {"advserver"};
  for (const std::string& line : lines) arguments.push_back(line.c_str());
  const adv::ParsedOptions parsed =
      adv::ParseOptions(static_cast<int>(arguments.size()), arguments.data());
  if (!parsed.options) {
    if (parsed.exit_code != 0 && parsed.exit_code != 2) std::abort();
    return 0;
  }
  const adv::Options& options = *parsed.options;
  if (options.poll_seconds < 0 || options.jobs_per_worker < 1 ||
      options.jobs_per_worker > 64 || options.keepalive_seconds < 1 ||
      !(options.endpoint_timeout > 0) || options.endpoint_retries < 0 ||
      options.endpoint_requests < 1 || !(options.max_queries_per_second >= 0) ||
      options.workers < 0 || options.intra_op_threads < 1 ||
      options.limits.message_bytes < 1) {
    std::abort();
  }
  adv::CheckAddresses(options).IgnoreError();
  return 0;
}
