#ifndef ADV_ENGINE_DATA_OPEN_DATASET_H_
#define ADV_ENGINE_DATA_OPEN_DATASET_H_

#include <absl/status/statusor.h>

#include <string>

#include "engine/data/dataset.h"

namespace adv {

// The labelled images at `path`, by what lies there:
//   file.bin           CIFAR-10's records
//   folder             with test_batch.bin: CIFAR-10's test split;
//                      with test.bin: CIFAR-100's, by its fine labels;
//                      with images.npy and labels.npy: arrays;
//                      else a folder of PNG and JPEG images for each class
//   file.npz           arrays `images` and `labels`
//   file.safetensors   tensors `images` and `labels`
// Arrays are as MakeArrayDataset takes them; their class names stand in
// classes.txt beside them, one in each line, if it is there.
// NOT_FOUND or INVALID_ARGUMENT says what is missing or wrong.
absl::StatusOr<Dataset> OpenDataset(const std::string& path);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_OPEN_DATASET_H_
