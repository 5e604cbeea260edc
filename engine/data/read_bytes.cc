#include "engine/data/read_bytes.h"

#include <absl/strings/str_cat.h>

#include <filesystem>
#include <fstream>
#include <system_error>

namespace adv {

absl::StatusOr<std::string> ReadBytes(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) {
    return absl::NotFoundError(absl::StrCat("no readable file ", path));
  }
  // A file that is cut off while it is read is DATA_LOSS, not a shorter text.
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file) {
    return absl::DataLossError(absl::StrCat("reading ", path, " failed"));
  }
  return bytes;
}

}  // namespace adv
