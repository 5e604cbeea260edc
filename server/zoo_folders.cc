#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "server/options.h"

namespace adv {

std::vector<std::string> ZooFolders() {
  std::error_code error;
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe", error);
  std::vector<std::string> folders;
  if (!error) {
    // From PREFIX/bin/advserver to PREFIX/share/adv/zoo.
    folders.push_back(program.parent_path().parent_path() / "share/adv/zoo");
  }
  folders.emplace_back(ADV_SOURCE_ZOO);
  return folders;
}

}  // namespace adv
