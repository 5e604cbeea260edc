#include "engine/data/open_dataset.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "engine/data/array_dataset.h"
#include "engine/data/cifar10.h"
#include "engine/data/image_folder.h"
#include "engine/data/npy.h"
#include "engine/data/read_bytes.h"
#include "engine/nn/safetensors.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr char kImages[] = "images";
constexpr char kLabels[] = "labels";
// 64 GiB. An archive may claim any size, and memory is allocated for it.
constexpr uint64_t kMostBytes = uint64_t{64} << 30;

// The same error with the file or the array that it is about in front.
absl::Status About(const std::string& what, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

bool IsFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// False also where the folder cannot be read.
bool HasFolders(const fs::path& folder) {
  std::error_code error;
  return std::any_of(fs::directory_iterator(folder, error),
                     fs::directory_iterator(),
                     [](const auto& entry) { return entry.is_directory(); });
}

// The names in a file, one in each line. None if the file is not there and need
// not be.
absl::StatusOr<std::vector<std::string>> NamesIn(const fs::path& path,
                                                 bool needed) {
  if (!needed && !IsFile(path)) return std::vector<std::string>();
  const absl::StatusOr<std::string> text = ReadBytes(path.string());
  if (!text.ok()) return text.status();
  auto names = ParseClassNames(*text);
  if (!names.ok()) return About(path.string(), names.status());
  return names;
}

// Adds the superclasses in superclasses.txt of `folder`, if that is there.
absl::StatusOr<Dataset> WithSuperclasses(absl::StatusOr<Dataset> dataset,
                                         const fs::path& folder) {
  const std::string path = (folder / kSuperclassesFile).string();
  if (!dataset.ok() || !IsFile(path)) return dataset;
  const absl::StatusOr<std::string> text = ReadBytes(path);
  if (!text.ok()) return text.status();
  auto names = ParseSuperclasses(*text, dataset->class_names.size());
  if (!names.ok()) return About(path, names.status());
  dataset->superclasses = *std::move(names);
  return dataset;
}

// Takes errors as well, so that the message says which array failed. `folder`
// is where the names of the classes may lie.
absl::StatusOr<Dataset> FromArrays(const absl::StatusOr<at::Tensor>& images,
                                   const absl::StatusOr<at::Tensor>& labels,
                                   const fs::path& folder) {
  if (!images.ok()) return About(kImages, images.status());
  if (!labels.ok()) return About(kLabels, labels.status());
  auto names = NamesIn(folder / "classes.txt", /*needed=*/false);
  if (!names.ok()) return names.status();
  return WithSuperclasses(MakeArrayDataset(*images, *labels, *std::move(names)),
                          folder);
}

absl::StatusOr<at::Tensor> ReadNpy(const fs::path& path) {
  const absl::StatusOr<std::string> bytes = ReadBytes(path.string());
  if (!bytes.ok()) return bytes.status();
  return ParseNpy(*bytes);
}

// The array `name` of a .npz file, which is an archive of .npy files.
absl::StatusOr<at::Tensor> ReadMember(zip_t* archive, const char* name) {
  const std::string file = absl::StrCat(name, ".npy");
  zip_stat_t found;
  zip_stat_init(&found);
  // An entry without a known size cannot be bounded before it is read.
  if (zip_stat(archive, file.c_str(), 0, &found) != 0 ||
      (found.valid & ZIP_STAT_SIZE) == 0) {
    return absl::InvalidArgumentError("is not in the file");
  }
  if (found.size > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", found.size, " bytes; at most ", kMostBytes));
  }
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> member(
      zip_fopen(archive, file.c_str(), 0), &zip_fclose);
  std::string bytes(found.size, '\0');
  if (member == nullptr ||
      zip_fread(member.get(), bytes.data(), bytes.size()) !=
          static_cast<zip_int64_t>(bytes.size())) {
    return absl::InvalidArgumentError("cannot be read: the file is damaged");
  }
  return ParseNpy(bytes);
}

absl::StatusOr<Dataset> ReadNpz(const fs::path& path) {
  int error = 0;
  const std::unique_ptr<zip_t, decltype(&zip_discard)> archive(
      // zip_discard frees the archive in any case; zip_close may fail, and does
      // not free it then.
      zip_open(path.c_str(), ZIP_RDONLY, &error), &zip_discard);
  if (archive == nullptr) {
    return absl::InvalidArgumentError("is no .npz file");
  }
  return FromArrays(ReadMember(archive.get(), kImages),
                    ReadMember(archive.get(), kLabels), path.parent_path());
}

// The tensor `name`, with integer types kept as they are. ReadSafetensor reads
// all others as float32, or says that it cannot.
absl::StatusOr<at::Tensor> ReadTensor(
    const std::vector<SafetensorsEntry>& entries, const char* name) {
  const auto entry =
      std::find_if(entries.begin(), entries.end(),
                   [name](const auto& one) { return one.name == name; });
  if (entry == entries.end()) {
    return absl::InvalidArgumentError("is not in the file");
  }
  const at::ScalarType type = entry->dtype == "U8"    ? at::kByte
                              : entry->dtype == "I64" ? at::kLong
                              : entry->dtype == "I32" ? at::kInt
                                                      : at::kFloat;
  if (type == at::kFloat) return ReadSafetensor(*entry);
  at::Tensor tensor = at::empty(entry->shape, type);
  if (tensor.numel() > 0) {
    // ListSafetensors has checked the bytes against the shape.
    std::memcpy(tensor.data_ptr(), entry->data.data(), entry->data.size());
  }
  return tensor;
}

absl::StatusOr<Dataset> ReadTensors(const fs::path& path) {
  const absl::StatusOr<std::string> bytes = ReadBytes(path.string());
  if (!bytes.ok()) return bytes.status();
  const auto entries = ListSafetensors(*bytes);
  if (!entries.ok()) return entries.status();
  return FromArrays(ReadTensor(*entries, kImages),
                    ReadTensor(*entries, kLabels), path.parent_path());
}

// The coarse name of each class, as its images have it; nothing if a class has
// no image. INVALID_ARGUMENT if a coarse label has no name or a class has two.
absl::StatusOr<std::vector<std::string>> CoarseNames(
    const at::Tensor& coarse, const Dataset& dataset,
    const std::vector<std::string>& names) {
  std::vector<std::string> of_each(dataset.class_names.size());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto label = dataset.labels[i].item<int64_t>();
    const auto group = coarse[i].item<int64_t>();
    if (group >= static_cast<int64_t>(names.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat("test.bin: record ", i, " has coarse label ", group,
                       ", must be in [0, ", names.size() - 1, "]"));
    }
    std::string& name = of_each[label];
    if (!name.empty() && name != names[group]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "test.bin: record ", i, " has class ", dataset.class_names[label],
          " in ", names[group], ", earlier ones in ", name));
    }
    name = names[group];
  }
  // A part of the test images may lack classes; then no superclass is known.
  const bool whole =
      std::none_of(of_each.begin(), of_each.end(),
                   [](const auto& name) { return name.empty(); });
  return whole ? of_each : std::vector<std::string>();
}

// CIFAR-100's test images by their fine labels. A record is a byte of the
// coarse label, one of the fine label, and an image as CIFAR-10's.
absl::StatusOr<Dataset> ReadCifar100(const fs::path& folder) {
  constexpr int64_t kImage = 3 * 32 * 32;
  const absl::StatusOr<std::string> bytes =
      ReadBytes((folder / "test.bin").string());
  if (!bytes.ok()) return bytes.status();
  const auto size = static_cast<int64_t>(bytes->size());
  if (size == 0 || size % (2 + kImage) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("test.bin: ", size, " bytes, must be a positive multiple ",
                     "of ", 2 + kImage, " (CIFAR-100 records)"));
  }
  auto names = NamesIn(folder / "fine_label_names.txt", /*needed=*/true);
  if (!names.ok()) return names.status();
  const auto coarse_names =
      NamesIn(folder / "coarse_label_names.txt", /*needed=*/false);
  if (!coarse_names.ok()) return coarse_names.status();
  // A view of `bytes`, one record in each row.
  const at::Tensor records =
      at::from_blob(const_cast<char*>(bytes->data()),
                    {size / (2 + kImage), 2 + kImage}, at::kByte);
  // A copy, because a single record counts as contiguous and would stay a view.
  const at::Tensor images =
      records.narrow(1, 2, kImage).clone(at::MemoryFormat::Contiguous);
  absl::StatusOr<Dataset> dataset =
      MakeArrayDataset(images.view({-1, 3, 32, 32}),
                       records.select(1, 1).to(at::kLong), *std::move(names));
  if (!dataset.ok() || coarse_names->empty()) return dataset;
  auto superclasses =
      CoarseNames(records.select(1, 0).to(at::kLong), *dataset, *coarse_names);
  if (!superclasses.ok()) return superclasses.status();
  dataset->superclasses = *std::move(superclasses);
  return dataset;
}

absl::StatusOr<Dataset> ReadFolder(const fs::path& folder) {
  // Where several of these lie in the folder, the first one counts.
  if (IsFile(folder / "images.npy")) {
    return FromArrays(ReadNpy(folder / "images.npy"),
                      ReadNpy(folder / "labels.npy"), folder);
  }
  if (IsFile(folder / "test.bin")) return ReadCifar100(folder);
  if (IsFile(folder / "test_batch.bin") ||
      fs::is_directory(folder / "cifar-10-batches-bin")) {
    return ReadCifar10(folder.string(), Cifar10Split::kTest);
  }
  if (!HasFolders(folder)) {
    return absl::NotFoundError(absl::StrCat(
        folder.string(),
        ": holds neither test_batch.bin (CIFAR-10) nor test.bin (CIFAR-100) "
        "nor images.npy and labels.npy, and no folder of images for a class"));
  }
  return WithSuperclasses(ReadImageFolder(folder.string()), folder);
}

}  // namespace

absl::StatusOr<Dataset> OpenDataset(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    absl::StatusOr<Dataset> dataset = ReadFolder(path);
    if (!dataset.ok()) return dataset.status();
    return dataset;
  }
  const fs::path extension = fs::path(path).extension();
  // Any other name is taken for CIFAR-10's records, whose reader says what is
  // wrong or missing and names the path itself.
  if (extension != ".npz" && extension != ".safetensors") {
    return ReadCifar10File(path);
  }
  if (!IsFile(path)) {
    return absl::NotFoundError(absl::StrCat("no readable file ", path));
  }
  absl::StatusOr<Dataset> dataset =
      extension == ".npz" ? ReadNpz(path) : ReadTensors(path);
  if (!dataset.ok()) return About(path, dataset.status());
  return dataset;
}

}  // namespace adv
