#include "engine/data/image_folder.h"

#include <ATen/ATen.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>
#include <stb/stb_image.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "engine/data/array_dataset.h"
#include "engine/data/read_bytes.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr int kLongestSide = 16384;

absl::Status Wrong(const fs::path& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path.string(), ": ", what));
}

// What `folder` holds, hidden files aside, in the order of names.
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

// stb reads more formats than these two; nobody asked for their risks.
bool IsPngOrJpeg(const std::string& bytes) {
  return absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n") ||
         absl::StartsWith(bytes, "\xff\xd8\xff");
}

// [channels, height, width] uint8 of [height, width, channels (and alpha)].
at::Tensor OnWhite(const stbi_uc* pixels, int height, int width, int channels) {
  at::Tensor image = at::empty({height, width, channels}, at::kByte);
  std::memcpy(image.data_ptr(), pixels, image.numel());
  if (channels == 2 || channels == 4) {
    const at::Tensor colours = image.narrow(2, 0, channels - 1).to(at::kLong);
    const at::Tensor alpha = image.narrow(2, channels - 1, 1).to(at::kLong);
    image = (colours * alpha + (255 - alpha) * 255 + 127)
                .floor_divide(255)
                .to(at::kByte);
  }
  return image.permute({2, 0, 1}).contiguous();
}

absl::StatusOr<at::Tensor> ReadImage(const fs::path& path) {
  const absl::StatusOr<std::string> bytes = ReadBytes(path.string());
  if (!bytes.ok()) return bytes.status();
  if (!IsPngOrJpeg(*bytes)) return Wrong(path, "is no PNG or JPEG image");
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes->data());
  const int size = static_cast<int>(bytes->size());
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(data, size, &width, &height, &channels)) {
    return Wrong(path, absl::StrCat("is damaged, or too large (at most ",
                                    kLongestSide, " pixels a side are read): ",
                                    stbi_failure_reason()));
  }
  if (width > kLongestSide || height > kLongestSide) {
    return Wrong(path,
                 absl::StrCat("has ", width, " x ", height, " pixels, at most ",
                              kLongestSide, " a side are read"));
  }
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &channels, 0),
      &stbi_image_free);
  if (pixels == nullptr) {
    return Wrong(path, absl::StrCat("is damaged: ", stbi_failure_reason()));
  }
  return OnWhite(pixels.get(), height, width, channels);
}

// As many channels as the others have.
at::Tensor WithChannels(const at::Tensor& image, int64_t channels) {
  return image.size(0) == 1 && channels == 3 ? image.expand({3, -1, -1})
                                             : image;
}

}  // namespace

absl::StatusOr<Dataset> ReadImageFolder(const std::string& folder) {
  const auto classes = Entries(folder);
  if (!classes.ok()) return classes.status();
  std::vector<at::Tensor> images;
  std::vector<int64_t> labels;
  std::vector<std::string> names;
  for (const fs::path& one : *classes) {
    if (!fs::is_directory(one)) {
      return Wrong(one, "is no folder of the images of a class");
    }
    const auto files = Entries(one);
    if (!files.ok()) return files.status();
    for (const fs::path& file : *files) {
      absl::StatusOr<at::Tensor> image = ReadImage(file);
      if (!image.ok()) return image.status();
      if (!images.empty()) *image = WithChannels(*image, images[0].size(0));
      if (!images.empty() && image->sizes() != images[0].sizes()) {
        return Wrong(
            file,
            absl::StrCat("has ", image->size(0), " x ", image->size(1), " x ",
                         image->size(2), " values where the first image has ",
                         images[0].size(0), " x ", images[0].size(1), " x ",
                         images[0].size(2)));
      }
      images.push_back(*std::move(image));
      labels.push_back(static_cast<int64_t>(names.size()));
    }
    names.push_back(one.filename().string());
  }
  if (images.empty()) return Wrong(folder, "holds no images");
  return MakeArrayDataset(at::stack(images), at::tensor(labels, at::kLong),
                          std::move(names));
}

}  // namespace adv
