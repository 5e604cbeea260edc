#include "client/session/find_program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

bool IsProgram(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

absl::StatusOr<std::string> FindProgram(const std::string& program,
                                        const char* named_in,
                                        const std::string& build_folder) {
  std::vector<fs::path> places;
  if (const char* named = std::getenv(named_in)) {
    places.emplace_back(named);
  } else {
    std::error_code error;
    // The link names this program's file, whatever was typed to start it.
    const fs::path here = fs::read_symlink("/proc/self/exe", error);
    places.push_back(here.parent_path() / program);
    // In a build tree each program has a folder of its own.
    places.push_back(here.parent_path() / ".." / build_folder / program);
    const char* path = std::getenv("PATH");
    // An empty entry would mean the working directory, and any program that
    // lies there.
    for (const auto folder :
         absl::StrSplit(path ? path : "", ':', absl::SkipEmpty())) {
      places.push_back(fs::path(std::string(folder)) / program);
    }
  }
  for (const fs::path& place : places) {
    if (IsProgram(place)) return place.string();
  }
  return absl::UnavailableError(absl::StrCat(
      "cannot find the program ", program,
      " beside advctl, in the build tree or on PATH; name it in ", named_in));
}

std::vector<char*> EnvironmentOfPrograms() {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!absl::StartsWith(*entry, "ADV_")) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

}  // namespace adv
