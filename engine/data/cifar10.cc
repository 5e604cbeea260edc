#include "engine/data/cifar10.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <cstdint>
#include <cstring>
#include <filesystem>

#include "engine/data/read_bytes.h"

namespace adv {
namespace {

constexpr int64_t kChannels = 3;
constexpr int64_t kSide = 32;
constexpr int64_t kImageBytes = kChannels * kSide * kSide;
constexpr int64_t kRecordBytes = 1 + kImageBytes;
constexpr int64_t kRecordsPerFile = 10000;
// The folder that the official archive unpacks to.
constexpr char kFolder[] = "cifar-10-batches-bin";

// The path of the official file `name`, in `directory` or in the subfolder that
// the archive unpacks to.
absl::StatusOr<std::filesystem::path> FindFile(const std::string& directory,
                                               const std::string& name) {
  const std::filesystem::path root(directory);
  std::error_code error;
  for (const auto& path : {root / name, root / kFolder / name}) {
    if (std::filesystem::is_regular_file(path, error)) return path;
  }
  return absl::NotFoundError(
      absl::StrCat("no ", name, " in ", directory, " or its subfolder ",
                   kFolder, ": unpack cifar-10-binary.tar.gz of ",
                   "https://www.cs.toronto.edu/~kriz/cifar.html there"));
}

// In the order of the records of the whole split, which the seeds of samples
// and recipes rely on.
std::vector<std::string> FileNames(Cifar10Split split) {
  if (split == Cifar10Split::kTest) return {"test_batch.bin"};
  std::vector<std::string> names;
  for (int i = 1; i <= 5; ++i) {
    names.push_back(absl::StrCat("data_batch_", i, ".bin"));
  }
  return names;
}

}  // namespace

const std::vector<std::string>& Cifar10ClassNames() {
  static const auto* const names = new std::vector<std::string>{
      "airplane", "automobile", "bird",  "cat",  "deer",
      "dog",      "frog",       "horse", "ship", "truck"};
  return *names;
}

const std::vector<std::string>& Cifar10Superclasses() {
  static const auto* const superclasses = [] {
    auto* list = new std::vector<std::string>;
    for (const std::string& name : Cifar10ClassNames()) {
      const bool moves_by_engine = name == "airplane" || name == "automobile" ||
                                   name == "ship" || name == "truck";
      list->push_back(moves_by_engine ? "vehicles" : "animals");
    }
    return list;
  }();
  return *superclasses;
}

absl::StatusOr<Dataset> ParseCifar10(absl::string_view bytes,
                                     absl::string_view source) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size == 0 || size % kRecordBytes != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": ", size, " bytes, must be a positive multiple of ",
        kRecordBytes, " (CIFAR-10 records)"));
  }
  const int64_t count = size / kRecordBytes;
  Dataset dataset;
  dataset.class_names = Cifar10ClassNames();
  dataset.superclasses = Cifar10Superclasses();
  dataset.images = at::empty({count, kChannels, kSide, kSide}, at::kByte);
  dataset.labels = at::empty({count}, at::kLong);
  uint8_t* pixels = dataset.images.data_ptr<uint8_t>();
  int64_t* labels = dataset.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const char* record = bytes.data() + i * kRecordBytes;
    // Through uint8_t, since a char may be negative.
    labels[i] = static_cast<uint8_t>(record[0]);
    if (labels[i] >= static_cast<int64_t>(dataset.class_names.size())) {
      return absl::InvalidArgumentError(absl::StrCat(source, ": record ", i,
                                                     " has label ", labels[i],
                                                     ", must be in [0, 9]"));
    }
    std::memcpy(pixels + i * kImageBytes, record + 1, kImageBytes);
  }
  dataset.digest = DigestRecords(dataset.images, dataset.labels);
  return dataset;
}

absl::StatusOr<Dataset> ReadCifar10File(const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadBytes(path);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<Dataset> dataset = ParseCifar10(*bytes, path);
  if (!dataset.ok()) return dataset.status();
  const std::filesystem::path name = std::filesystem::path(path).filename();
  dataset->name = name.extension() == ".bin" ? name.stem() : name;
  return dataset;
}

absl::StatusOr<Dataset> ReadCifar10(const std::string& directory,
                                    Cifar10Split split) {
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> labels;
  for (const std::string& name : FileNames(split)) {
    const auto path = FindFile(directory, name);
    if (!path.ok()) return path.status();
    const absl::StatusOr<Dataset> part = ReadCifar10File(path->string());
    if (!part.ok()) return part.status();
    // A file that was cut off between two records would parse.
    if (part->size() != kRecordsPerFile) {
      return absl::InvalidArgumentError(
          absl::StrCat(path->string(), ": ", part->size(), " records, must be ",
                       kRecordsPerFile));
    }
    images.push_back(part->images);
    labels.push_back(part->labels);
  }
  Dataset dataset;
  dataset.name =
      split == Cifar10Split::kTrain ? "cifar10-train" : "cifar10-test";
  dataset.class_names = Cifar10ClassNames();
  dataset.superclasses = Cifar10Superclasses();
  dataset.images = at::cat(images);
  dataset.labels = at::cat(labels);
  // The digest of all records, as of the files one after the other.
  dataset.digest = DigestRecords(dataset.images, dataset.labels);
  return dataset;
}

}  // namespace adv
