#include "engine/data/image_folder.h"

#include <ATen/ATen.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "engine/data/array_dataset.h"
#include "engine/data/read_bytes.h"
#include "image_file/decode.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

absl::Status Wrong(const fs::path& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path.string(), ": ", what));
}

// What `folder` holds, hidden files aside, in the order of names: the file
// system's own order differs between machines, and labels follow it.
absl::StatusOr<std::vector<fs::path>> Entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!absl::StartsWith(name, ".")) paths.push_back(it->path());
  }
  if (error) return Wrong(folder, error.message());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The image as [channels, height, width] uint8. `channels` as DecodeImage takes
// them.
absl::StatusOr<at::Tensor> ReadImage(const fs::path& path, int channels) {
  const absl::StatusOr<std::string> bytes = ReadBytes(path.string());
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<DecodedImage> image = DecodeImage(*bytes, channels);
  if (!image.ok()) return Wrong(path, image.status().message());
  const at::Tensor values =
      at::empty({image->height, image->width, image->channels}, at::kByte);
  std::memcpy(values.data_ptr(), image->pixels.data(), values.numel());
  // Files have the channels of a pixel side by side, data sets have planes.
  return values.permute({2, 0, 1}).contiguous();
}

}  // namespace

absl::StatusOr<Dataset> ReadImageFolder(const std::string& folder) {
  const auto classes = Entries(folder);
  if (!classes.ok()) return classes.status();
  std::vector<at::Tensor> images;
  std::vector<int64_t> labels;
  std::vector<std::string> names;
  for (const fs::path& one : *classes) {
    // The one file that may lie beside the folders; OpenDataset reads it.
    if (one.filename() == kSuperclassesFile) continue;
    if (!fs::is_directory(one)) {
      return Wrong(one, "is no folder of the images of a class");
    }
    const auto files = Entries(one);
    if (!files.ok()) return files.status();
    for (const fs::path& file : *files) {
      // Grey images are spread to three channels if the first image has three.
      // Colours never become grey: after a grey image they are an error.
      const bool spread = !images.empty() && images[0].size(0) == 3;
      absl::StatusOr<at::Tensor> image = ReadImage(file, spread ? 3 : 0);
      if (!image.ok()) return image.status();
      if (!images.empty() && image->sizes() != images[0].sizes()) {
        return Wrong(
            file,
            absl::StrCat("has ", image->size(0), " x ", image->size(1), " x ",
                         image->size(2), " values where the first image has ",
                         images[0].size(0), " x ", images[0].size(1), " x ",
                         images[0].size(2)));
      }
      images.push_back(*std::move(image));
      // The class's name is added below, so the number of names is its label.
      labels.push_back(static_cast<int64_t>(names.size()));
    }
    names.push_back(one.filename().string());
  }
  if (images.empty()) return Wrong(folder, "holds no images");
  return MakeArrayDataset(at::stack(images), at::tensor(labels, at::kLong),
                          std::move(names));
}

}  // namespace adv
