#ifndef ADV_ENGINE_DATA_CIFAR10_H_
#define ADV_ENGINE_DATA_CIFAR10_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace adv {

// airplane automobile bird cat deer dog frog horse ship truck
const std::vector<std::string>& Cifar10ClassNames();

// "animals" or "vehicles", for each class.
const std::vector<std::string>& Cifar10Superclasses();

// Parses records of the official binary layout (1 label byte, then 1,024 red,
// 1,024 green and 1,024 blue bytes, rows from the top). `source` names the
// bytes in errors. INVALID_ARGUMENT if there is no record, the length is no
// multiple of 3,073, or a label is above 9 (the message says which record).
absl::StatusOr<Dataset> ParseCifar10(absl::string_view bytes,
                                     absl::string_view source);

// Reads one file; NOT_FOUND if there is none. The dataset's name is the
// file's name without ".bin".
absl::StatusOr<Dataset> ReadCifar10File(const std::string& path);

enum class Cifar10Split { kTrain, kTest };

// Reads data_batch_1..5.bin or test_batch.bin of `directory` or of its
// subfolder cifar-10-batches-bin, each exactly 10,000 records. NOT_FOUND says
// which file is missing and where the official archive comes from.
absl::StatusOr<Dataset> ReadCifar10(const std::string& directory,
                                    Cifar10Split split);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_CIFAR10_H_
