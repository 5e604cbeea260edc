// Does pieces of work on request and says how long each took; bench.py asks
// for them in turns.
//
//   bench_arms ARCHITECTURE WEIGHTS.safetensors IMAGES.bin
//
// Standard input: one name of work a line, which may be followed by the size of
// a batch. Standard output, for each: its seconds, or for "peak" GFLOP/s and
// for "agreement" two differences.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/cifar10.h"
#include "engine/nn/device.h"
#include "engine/nn/libtorch_vgg.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "tests/bench/fma_peak.h"
#include "tests/bench/plain_network.h"

namespace adv {
namespace {

constexpr int64_t kBatch = 128;
constexpr int64_t kBatches = 8;

struct Bench {
  std::shared_ptr<const Network> engine, libtorch;
  std::unique_ptr<const PlainNetwork> plain;
  std::vector<at::Tensor> images;  // kBatches batches, channels-last
  std::vector<at::Tensor> labels;
};

Bench Prepare(const std::string& architecture, const std::string& weights,
              const std::string& data) {
  const StateDict parameters = ValueOrDie(ParseSafetensors(ReadFile(weights)));
  Bench bench;
  bench.engine = ValueOrDie(MakeVgg(architecture, parameters, at::kCPU));
  bench.libtorch = MakeLibtorchVgg(ValueOrDie(VggLayers(architecture)),
                                   parameters, at::kCPU);
  bench.plain = std::make_unique<const PlainNetwork>(
      ValueOrDie(VggLayers(architecture)), parameters, at::kCPU);
  const Dataset dataset = ValueOrDie(ReadCifar10File(data));
  for (int64_t batch = 0; batch < kBatches; ++batch) {
    std::vector<int64_t> indices(kBatch);
    for (int64_t i = 0; i < kBatch; ++i) {
      indices[i] = (batch * kBatch + i) % dataset.size();
    }
    bench.images.push_back(dataset.Pixels(indices));
    bench.labels.push_back(dataset.Labels(indices));
  }
  return bench;
}

// Of the network's passes over all images, `batch` at a time.
double SecondsOf(const Network& network, bool gradient, const Bench& bench,
                 int64_t batch) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < kBatches; ++i) {
    for (int64_t first = 0; first < kBatch; first += batch) {
      const at::Tensor images = bench.images[i].narrow(0, first, batch);
      if (gradient) {
        network.LossGradient(images, bench.labels[i].narrow(0, first, batch))
            .value();
      } else {
        network.Logits(images).value();
      }
    }
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

template <typename Work>
double Seconds(Work work) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t batch = 0; batch < kBatches; ++batch) work(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// The largest difference of a logit, and the share of pixels whose gradients'
// signs differ: both sides do the same work.
std::string Agreement(const Bench& bench) {
  const at::Tensor& images = bench.images[0];
  const at::Tensor& labels = bench.labels[0];
  const LogitsAndGradient engine =
      bench.engine->LossGradient(images, labels).value();
  const at::Tensor gradient = bench.plain->Gradient(images, labels).gradient;
  const double logits =
      (engine.logits - bench.plain->Logits(images)).abs().max().item<double>();
  const double signs = engine.gradient.sign()
                           .ne(gradient.sign())
                           .to(at::kDouble)
                           .mean()
                           .item<double>();
  return absl::StrCat(logits, " ", signs);
}

std::string Run(const Bench& bench, const std::string& line) {
  const at::NoGradGuard no_grad;
  const size_t space = line.find(' ');
  const std::string work = line.substr(0, space);
  const int64_t batch =
      space == std::string::npos ? kBatch : std::stoll(line.substr(space));
  if (work == "peak") return std::to_string(FmaPeakGflops());
  if (work == "agreement") return Agreement(bench);
  for (const bool gradient : {false, true}) {
    const char* suffix = gradient ? "gradient" : "forward";
    if (work == absl::StrCat("engine_", suffix)) {
      return std::to_string(SecondsOf(*bench.engine, gradient, bench, batch));
    }
    if (work == absl::StrCat("libtorch_", suffix)) {
      return std::to_string(SecondsOf(*bench.libtorch, gradient, bench, batch));
    }
  }
  if (work == "plain_forward") {
    return std::to_string(
        Seconds([&](int64_t i) { bench.plain->Logits(bench.images[i]); }));
  }
  if (work == "plain_gradient") {
    return std::to_string(Seconds([&](int64_t i) {
      bench.plain->Gradient(bench.images[i], bench.labels[i]);
    }));
  }
  // What FGSM with a verdict costs, in plain LibTorch.
  if (work == "plain_fgsm") {
    return std::to_string(Seconds([&](int64_t i) {
      const at::Tensor& x = bench.images[i];
      const at::Tensor step =
          bench.plain->Gradient(x, bench.labels[i]).gradient.sign();
      bench.plain->Logits((x + step * (8.0 / 255)).clamp(0, 1));
    }));
  }
  return "unknown";
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: bench_arms ARCHITECTURE WEIGHTS IMAGES\n";
    return 2;
  }
  at::set_num_threads(adv::UsableCores());
  const adv::Bench bench = adv::Prepare(argv[1], argv[2], argv[3]);
  for (std::string work; std::getline(std::cin, work);) {
    std::cout << adv::Run(bench, work) << std::endl;
  }
  return 0;
}
