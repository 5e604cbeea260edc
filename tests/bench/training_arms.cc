// Trains on request and says how long it took; bench.py asks in turns.
//
//   bench_training_arms IMAGES.bin DEVICE
//
// Standard input: one name of work a line. Standard output, for each, its
// seconds: an epoch of kSteps steps of kBatch images for one model
// ("engine_one", "plain_one", "plain_channels_last_one") or for kModels of them
// ("engine_all", "plain_all"). "curves" prints the mean loss of each epoch so
// far: the engine's, a line break, the plain loop's. "peak" answers with
// GFLOP/s.

#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <c10/core/GradMode.h>
#include <torch/data.h>
#include <torch/nn.h>
#include <torch/optim.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/data/cifar10.h"
#include "engine/nn/device.h"
#include "engine/training/trainer.h"
#include "tests/bench/fma_peak.h"

namespace adv {
namespace {

constexpr int64_t kBatch = 32;  // the thesis's
constexpr int64_t kSteps = 10;
constexpr int64_t kModels = 11;
constexpr double kLearningRate = 5e-4;  // so that curves move in a few epochs

template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "bench_training_arms: " << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

// Images one at a time, as LibTorch's data loader wants them.
class Records : public torch::data::datasets::Dataset<Records> {
 public:
  Records(const adv::Dataset& data, int64_t count) {
    std::vector<int64_t> indices(static_cast<size_t>(count));
    std::iota(indices.begin(), indices.end(), 0);
    images_ = data.Pixels(indices);
    labels_ = data.Labels(indices);
  }
  torch::data::Example<> get(size_t index) override {
    const auto i = static_cast<int64_t>(index);
    return {images_[i], labels_[i]};
  }
  torch::optional<size_t> size() const override {
    return static_cast<size_t>(labels_.size(0));
  }

 private:
  at::Tensor images_, labels_;
};

// The loop of LibTorch's own examples: Sequential, RMSprop, DataLoader.
class PlainTrainer {
 public:
  PlainTrainer(const Dataset& data, at::Device device, bool channels_last)
      : data_(data),
        device_(device),
        format_(channels_last ? at::MemoryFormat::ChannelsLast
                              : at::MemoryFormat::Contiguous),
        network_(Build()) {
    const StateDict initial =
        InitialParameters(ValueOrDie(VggLayers("table51")), /*seed=*/1);
    size_t index = 0;
    const auto parameters = network_->parameters();
    for (const char* name : {"conv1", "conv2", "conv3", "conv4", "conv5",
                             "conv6", "conv7", "conv8", "dense1", "dense2"}) {
      for (const char* part : {".weight", ".bias"}) {
        at::Tensor parameter = parameters[index++];
        const at::NoGradGuard no_grad;
        parameter.copy_(initial.at(absl::StrCat(name, part)));
        if (parameter.dim() == 4) {
          parameter.set_data(parameter.contiguous(format_));
        }
      }
    }
    network_->to(device_);
    optimizer_ = std::make_unique<torch::optim::RMSprop>(
        network_->parameters(),
        torch::optim::RMSpropOptions(kLearningRate).alpha(0.9).eps(1e-8));
  }

  void RunEpoch() {
    auto loader =
        torch::data::make_data_loader<torch::data::samplers::RandomSampler>(
            Records(data_, kSteps * kBatch)
                .map(torch::data::transforms::Stack<>()),
            kBatch);
    double total = 0;
    network_->train();
    for (torch::data::Example<>& batch : *loader) {
      optimizer_->zero_grad();
      const at::Tensor logits =
          network_->forward(batch.data.to(device_).contiguous(format_));
      const at::Tensor loss = torch::nn::functional::cross_entropy(
          logits, batch.target.to(device_));
      loss.backward();
      optimizer_->step();
      total += loss.item<double>();
    }
    losses_.push_back(total / static_cast<double>(kSteps));
  }

  const std::vector<double>& losses() const { return losses_; }

 private:
  static torch::nn::Sequential Build() {
    namespace nn = torch::nn;
    const auto conv = [](int64_t in, int64_t out) {
      return nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1));
    };
    nn::Sequential network(conv(3, 32), nn::ReLU(), conv(32, 32));
    int64_t channels = 32;
    for (const int64_t next : {64, 128}) {
      EndBlock(&network);
      network->push_back(conv(channels, next));
      network->push_back(conv(next, next));
      network->push_back(conv(next, next));
      channels = next;
    }
    EndBlock(&network);
    network->push_back(nn::Flatten());
    network->push_back(nn::Linear(2048, 512));
    network->push_back(nn::ReLU());
    network->push_back(nn::Dropout(.5));
    network->push_back(nn::Linear(512, 10));
    return network;
  }

  static void EndBlock(torch::nn::Sequential* network) {
    (*network)->push_back(torch::nn::ReLU());
    (*network)->push_back(torch::nn::MaxPool2d(2));
    (*network)->push_back(torch::nn::Dropout(.25));
  }

  const Dataset& data_;
  at::Device device_;
  at::MemoryFormat format_;
  torch::nn::Sequential network_;
  std::unique_ptr<torch::optim::RMSprop> optimizer_;
  std::vector<double> losses_;
};

std::unique_ptr<Trainer> NewTrainer(
    const std::shared_ptr<const TrainingData>& data) {
  TrainingSettings settings;
  settings.batch_size = kBatch;
  settings.max_epochs = 100000;
  settings.learning_rate = kLearningRate;
  settings.decay_per_update = 0;
  settings.patience = 0;
  settings.validation_fraction = 0;
  std::vector<int64_t> images(kSteps * kBatch);
  std::iota(images.begin(), images.end(), 0);
  return ValueOrDie(Trainer::Create(ValueOrDie(VggLayers("table51")), data,
                                    images, settings));
}

struct Bench {
  explicit Bench(const std::string& path, at::Device on)
      : device(on), data(ValueOrDie(ReadCifar10File(path))) {
    const auto uploaded = TrainingData::Upload(data, device);
    for (int64_t i = 0; i < kModels; ++i) {
      engine.push_back(NewTrainer(uploaded));
      plain.push_back(std::make_unique<PlainTrainer>(data, device, false));
    }
    plain_channels_last = std::make_unique<PlainTrainer>(data, device, true);
  }

  at::Device device;
  Dataset data;
  std::vector<std::unique_ptr<Trainer>> engine;
  std::vector<std::unique_ptr<PlainTrainer>> plain;
  std::unique_ptr<PlainTrainer> plain_channels_last;
};

// As advtrain --parallel does: on a CPU a model a core, on CUDA all at once.
void RunAll(const Bench& bench) {
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  const int64_t count = bench.device.is_cpu() ? UsableCores() : kModels;
  for (int64_t i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      at::set_num_threads(1);
      for (size_t k = next++; k < bench.engine.size(); k = next++) {
        ValueOrDie(bench.engine[k]->RunEpoch(nullptr));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

template <typename Work>
std::string Seconds(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::to_string(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count());
}

std::string Curves(const Bench& bench) {
  std::vector<double> losses;
  for (const EpochRecord& epoch : bench.engine[0]->epochs()) {
    losses.push_back(epoch.training_loss);
  }
  return absl::StrCat(absl::StrJoin(losses, " "), "\n",
                      absl::StrJoin(bench.plain[0]->losses(), " "));
}

std::string Run(const Bench& bench, const std::string& work) {
  if (work == "peak") return std::to_string(FmaPeakGflops());
  if (work == "curves") return Curves(bench);
  if (work == "engine_one") {
    return Seconds([&] { ValueOrDie(bench.engine[0]->RunEpoch(nullptr)); });
  }
  if (work == "plain_one") return Seconds([&] { bench.plain[0]->RunEpoch(); });
  if (work == "plain_channels_last_one") {
    return Seconds([&] { bench.plain_channels_last->RunEpoch(); });
  }
  if (work == "engine_all") return Seconds([&] { RunAll(bench); });
  if (work == "plain_all") {
    return Seconds([&] {
      for (const auto& plain : bench.plain) plain->RunEpoch();
    });
  }
  return "unknown";
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: bench_training_arms IMAGES DEVICE\n";
    return 2;
  }
  at::set_num_threads(adv::UsableCores());
  const adv::Bench bench(argv[1], adv::ValueOrDie(adv::ParseDevice(argv[2])));
  for (std::string work; std::getline(std::cin, work);) {
    std::cout << adv::Run(bench, work) << std::endl;
  }
  return 0;
}
