#include "engine/training/training_data.h"

#include <ATen/ATen.h>

namespace adv {

std::shared_ptr<const TrainingData> TrainingData::Upload(const Dataset& dataset,
                                                         at::Device device) {
  return std::shared_ptr<const TrainingData>(new TrainingData(dataset, device));
}

TrainingData::TrainingData(const Dataset& dataset, at::Device device)
    // Turned once on the host into rows of pixels with their channels side by
    // side.
    : images_(dataset.images.permute({0, 2, 3, 1}).contiguous().to(device)),
      labels_(dataset.labels.to(device)),
      host_labels_(dataset.labels),
      digest_(dataset.digest) {}

std::vector<int64_t> TrainingData::image_shape() const {
  return {images_.size(3), images_.size(1), images_.size(2)};
}

at::Tensor TrainingData::Pixels(const at::Tensor& indices) const {
  // The stored rows are channels-last already, so permute makes channels-last
  // images without a copy.
  const at::Tensor pixels =
      images_.index_select(0, indices).permute({0, 3, 1, 2}).to(at::kFloat);
  return images_.scalar_type() == at::kByte ? pixels.div_(255) : pixels;
}

at::Tensor TrainingData::Labels(const at::Tensor& indices) const {
  return labels_.index_select(0, indices);
}

}  // namespace adv
