// training_trace RECORDS IMAGES STEPS FOLDER: trains table51 without dropout
// for STEPS steps, each over the same first IMAGES images, so that an epoch is
// a step. Writes FOLDER/weights.safetensors, prints the loss of the step before
// (0 at first) and waits for a line on its input, before every step and at the
// end.

#include <ATen/Parallel.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "engine/data/cifar10.h"
#include "engine/training/trainer.h"

namespace adv {
namespace {

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string Weights(const Trainer& trainer) {
  return *SerializeSafetensors(trainer.BestParameters(),
                               WeightPrecision::kFloat32);
}

int Main(const std::string& records, int64_t count, int64_t steps,
         const std::string& folder) {
  at::set_num_threads(1);
  const absl::StatusOr<Dataset> data = ReadCifar10File(records);
  absl::StatusOr<std::vector<Layer>> layers = VggLayers("table51");
  if (!data.ok() || !layers.ok() || data->size() < count) return 1;
  for (Layer& layer : *layers) layer.dropout = 0;

  TrainingSettings settings;
  settings.batch_size = count;
  settings.max_epochs = steps;
  settings.decay_per_update = 0.1;  // the thesis's would hardly show
  settings.patience = 0;
  settings.validation_fraction = 0;
  std::vector<int64_t> images(static_cast<size_t>(count));
  std::iota(images.begin(), images.end(), 0);
  auto trainer = Trainer::Create(*layers, TrainingData::Upload(*data, at::kCPU),
                                 images, settings);
  if (!trainer.ok()) return 1;

  double loss = 0;
  std::string line;
  const auto show = [&] {
    Write(folder + "/weights.safetensors", Weights(**trainer));
    std::cout << loss << std::endl;
    return static_cast<bool>(std::getline(std::cin, line));
  };
  while (show() && !(*trainer)->finished()) {
    const auto record = (*trainer)->RunEpoch(nullptr);
    if (!record.ok()) return 1;
    loss = record->training_loss;
  }
  return 0;
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: training_trace RECORDS IMAGES STEPS FOLDER\n";
    return 2;
  }
  return adv::Main(argv[1], std::atoll(argv[2]), std::atoll(argv[3]), argv[4]);
}
