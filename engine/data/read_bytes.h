#ifndef ADV_ENGINE_DATA_READ_BYTES_H_
#define ADV_ENGINE_DATA_READ_BYTES_H_

#include <absl/status/statusor.h>

#include <string>

namespace adv {

// The whole of a file; NOT_FOUND or DATA_LOSS with its path.
absl::StatusOr<std::string> ReadBytes(const std::string& path);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_READ_BYTES_H_
