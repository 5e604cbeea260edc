#include "client/files/distinct_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "client/files/output_file.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

// Device and inode of a file; or of a folder, with the name of a file to be
// made there.
using Place = std::tuple<dev_t, ino_t, std::string>;

struct Known {
  std::string name;
  std::optional<Place> place;  // none: like no other
};

std::optional<Place> PlaceOf(const struct stat& info) {
  // A terminal or /dev/null may be given twice: nothing in it could be lost.
  if (S_ISCHR(info.st_mode)) return std::nullopt;
  return Place(info.st_dev, info.st_ino, "");
}

std::optional<Place> PlaceOf(const std::string& path) {
  struct stat info;
  // stat follows links, so two names of one file have the same place.
  if (stat(path.c_str(), &info) == 0) return PlaceOf(info);
  // The file is still to be made. A link without a target stands for the file
  // that it would make.
  const fs::path target = FollowLinks(path);
  const fs::path folder =
      target.has_parent_path() ? target.parent_path() : fs::path(".");
  // Without a folder the file cannot be made, and another check will say so.
  if (stat(folder.c_str(), &info) != 0) return std::nullopt;
  return Place(info.st_dev, info.st_ino, target.filename().string());
}

// Adds the file that a standard stream goes to, if it goes to one.
void AddStream(int fd, const char* name, std::vector<Known>* known) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  known->push_back({name, PlaceOf(info)});
}

}  // namespace

absl::Status CheckDistinct(const std::vector<NamedFile>& outputs,
                           const std::vector<NamedFile>& inputs) {
  std::vector<Known> known;
  // Inputs and streams may be the same file as each other; only an output must
  // not be one of them.
  for (const NamedFile& input : inputs) {
    known.push_back({input.name, PlaceOf(input.path)});
  }
  AddStream(STDOUT_FILENO, "standard output", &known);
  AddStream(STDERR_FILENO, "standard error", &known);
  for (const NamedFile& output : outputs) {
    const std::optional<Place> place = PlaceOf(output.path);
    for (const Known& other : known) {
      if (!place || place != other.place) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          output.name, ": ", Visible(output.path), " is the file of ",
          other.name, ", too; give each a file of its own"));
    }
    known.push_back({output.name, place});
  }
  return absl::OkStatus();
}

}  // namespace adv
