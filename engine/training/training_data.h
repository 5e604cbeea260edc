#ifndef ADV_ENGINE_TRAINING_TRAINING_DATA_H_
#define ADV_ENGINE_TRAINING_TRAINING_DATA_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace adv {

// A data set in the form that training needs: all of it on the device, in its
// own type, so that a batch is a selection there. Immutable, so any number of
// trainers may share it, from any thread.
class TrainingData {
 public:
  static std::shared_ptr<const TrainingData> Upload(const Dataset& dataset,
                                                    at::Device device);

  at::Device device() const { return images_.device(); }
  const std::string& digest() const { return digest_; }
  // [N] int64 on the CPU.
  const at::Tensor& host_labels() const { return host_labels_; }
  // {channels, height, width}
  std::vector<int64_t> image_shape() const;

  // For `indices`, [B] int64 on the device: their pixels in [0, 1], [B,
  // channels, height, width] float32 in channels-last memory, and their labels
  // [B] int64.
  at::Tensor Pixels(const at::Tensor& indices) const;
  at::Tensor Labels(const at::Tensor& indices) const;

 private:
  TrainingData(const Dataset& dataset, at::Device device);

  // [N, height, width, channels], uint8, or float32 in [0, 1]
  at::Tensor images_;
  at::Tensor labels_;  // [N] int64
  at::Tensor host_labels_;
  std::string digest_;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_TRAINING_DATA_H_
