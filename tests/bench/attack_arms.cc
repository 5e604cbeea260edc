// Attacks on request and says how long it took; bench.py asks in turns.
//
//   bench_attack_arms ARCHITECTURE WEIGHTS.safetensors IMAGES.bin DEVICE
//
// Standard input: one line "ours CASE", "plain CASE", "verdicts CASE" or
// "peak". Standard output: the seconds of that arm; or of both arms, ours
// first: share of equal verdicts, robust accuracies, gradients and forwards an
// image; or GFLOP/s. The cases are those of Cases().

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/make_attack.h"
#include "engine/attacks/perturbations.h"
#include "engine/data/cifar10.h"
#include "engine/nn/device.h"
#include "engine/nn/vgg_network.h"
#include "tests/bench/fma_peak.h"
#include "tests/bench/plain_attacks.h"
#include "tests/bench/plain_network.h"

namespace adv {
namespace {

constexpr double kEpsilon = 8.0 / 255;
constexpr double kIgsmStep = 1.0 / 255;
constexpr uint64_t kSeed = 1;

// The same attack twice: ours, and the plain loop's at each epsilon.
struct Case {
  int64_t batch = 128;
  int64_t batches = 1;
  AttackConfig config;
  SuccessRule success = SuccessRule::kLastIterate;
  std::vector<double> epsilons = {kEpsilon};
  bool random_start = false;
  bool on_surface = false;  // of the ball
  std::function<PlainOutcome(const PlainNetwork&, const at::Tensor&,
                             const at::Tensor&, const PlainWalk&)>
      plain = PlainPgd;
  int64_t steps = 1;
  double step_size = 0;  // 0: epsilon

  // The start that ours draws for the images from `first` on.
  at::Tensor Start(const at::Tensor& images, int64_t first,
                   double epsilon) const {
    if (!random_start) return at::Tensor();
    const at::Tensor draws = DrawPerturbations(
        on_surface ? Spread::kSurface : Spread::kVolume, Norm::kLinf,
        {kSeed, RandomPurpose::kStart, 0, 0},
        at::arange(first, first + images.size(0), at::kLong), images);
    return (images + draws * epsilon).clamp(0, 1);
  }
};

std::vector<double> Sweep(int count) {
  std::vector<double> epsilons;
  for (int i = 1; i <= count; ++i) epsilons.push_back(i / 255.0);
  return epsilons;
}

Case Pgd40() {
  PgdConfig pgd;  // 40 steps of epsilon / 4
  Case pgd_case;
  pgd_case.config = pgd;
  pgd_case.random_start = true;
  pgd_case.steps = pgd.steps;
  pgd_case.step_size = kEpsilon / 4;
  return pgd_case;
}

std::map<std::string, Case> Cases() {
  std::map<std::string, Case> cases;
  Case fgsm;
  fgsm.config = FgsmConfig();
  fgsm.batches = 4;
  cases["fgsm"] = fgsm;
  fgsm.batch = 1;
  fgsm.batches = 16;
  cases["fgsm_1"] = fgsm;

  Case igsm;
  igsm.config = IgsmConfig{kIgsmStep, 10};
  igsm.steps = 10;
  igsm.step_size = kIgsmStep;
  cases["igsm_10"] = igsm;
  igsm.batch = 1;
  igsm.batches = 4;
  cases["igsm_10_1"] = igsm;

  cases["pgd_40"] = Pgd40();
  Case one = Pgd40();
  one.batch = 1;
  cases["pgd_40_1"] = one;
  Case any = Pgd40();
  any.success = SuccessRule::kAnyIterate;
  cases["pgd_40_any"] = any;

  Case apgd;
  apgd.config = ApgdConfig();  // 100 steps
  apgd.random_start = apgd.on_surface = true;
  apgd.plain = PlainApgd;
  apgd.steps = 100;
  cases["apgd_100"] = apgd;
  apgd.batch = 1;
  cases["apgd_100_1"] = apgd;

  for (int count : {8, 20}) {
    Case sweep;
    sweep.config = FgsmConfig();
    sweep.epsilons = Sweep(count);
    cases[absl::StrCat("sweep_", count)] = sweep;
    sweep.batch = 1;
    sweep.batches = 4;
    cases[absl::StrCat("sweep_", count, "_1")] = sweep;
  }
  return cases;
}

struct Outcome {
  double seconds = 0;
  std::vector<at::Tensor> fooled;  // batch by batch, epsilon by epsilon
  int64_t gradients = 0;
  int64_t forwards = 0;
};

class Bench {
 public:
  Bench(const std::string& architecture, const std::string& weights,
        const std::string& data, at::Device device)
      : device_(device), dataset_(ValueOrDie(ReadCifar10File(data))) {
    const StateDict parameters =
        ValueOrDie(ParseSafetensors(ReadFile(weights)));
    engine_ = ValueOrDie(MakeVgg(architecture, parameters, device));
    plain_ = std::make_unique<const PlainNetwork>(
        ValueOrDie(VggLayers(architecture)), parameters, device);
  }

  Outcome Run(const Case& one, bool ours) const {
    Outcome outcome;
    for (int64_t batch = 0; batch < one.batches; ++batch) {
      const int64_t first = batch * one.batch;
      std::vector<int64_t> indices(one.batch);
      std::iota(indices.begin(), indices.end(), first);
      const at::Tensor images = dataset_.Pixels(indices).to(device_);
      const at::Tensor labels = dataset_.Labels(indices).to(device_);
      if (ours) {
        RunOurs(one, images, labels, indices, outcome);
      } else {
        RunPlain(one, images, labels, first, outcome);
      }
    }
    return outcome;
  }

 private:
  using Clock = std::chrono::steady_clock;
  // A GPU's work is done when its result is here.
  static double Since(Clock::time_point start, const at::Tensor& result) {
    result.cpu();
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  void RunOurs(const Case& one, const at::Tensor& images,
               const at::Tensor& labels, const std::vector<int64_t>& indices,
               Outcome& outcome) const {
    RunOptions options;
    options.epsilons = one.epsilons;
    options.success = one.success;
    options.seed = kSeed;
    AttackBatch batch;
    batch.images = images;
    batch.labels = labels;
    batch.samples = at::tensor(indices, at::kLong);
    const auto attack = ValueOrDie(MakeAttack(one.config));
    const Clock::time_point start = Clock::now();
    const AttackOutcome found =
        ValueOrDie(attack->Run(*engine_, *engine_, batch, options));
    outcome.seconds += Since(start, found.results.back().success);
    for (const AttackResult& result : found.results) {
      outcome.fooled.push_back(result.success);
      outcome.gradients += result.gradients.sum().item<int64_t>();
      outcome.forwards += result.forwards.sum().item<int64_t>();
    }
  }

  void RunPlain(const Case& one, const at::Tensor& images,
                const at::Tensor& labels, int64_t first,
                Outcome& outcome) const {
    for (double epsilon : one.epsilons) {
      PlainWalk walk;
      walk.epsilon = epsilon;
      walk.step_size = one.step_size > 0 ? one.step_size : epsilon;
      walk.steps = one.steps;
      walk.start = one.Start(images, first, epsilon);
      walk.any_iterate = one.success == SuccessRule::kAnyIterate;
      const Clock::time_point start = Clock::now();
      const PlainOutcome found = one.plain(*plain_, images, labels, walk);
      outcome.seconds += Since(start, found.fooled);
      outcome.fooled.push_back(found.fooled);
      outcome.gradients += found.gradients;
      outcome.forwards += found.forwards;
    }
  }

  const at::Device device_;
  const Dataset dataset_;
  std::shared_ptr<const Network> engine_;
  std::unique_ptr<const PlainNetwork> plain_;
};

double ShareFalse(const at::Tensor& values) {
  return 1 - values.to(at::kDouble).mean().item<double>();
}

// An image is robust if it was right and was not fooled; a wrong one counts
// as fooled in both arms.
std::string Verdicts(const Bench& bench, const Case& one) {
  const Outcome ours = bench.Run(one, true), plain = bench.Run(one, false);
  const at::Tensor a = at::cat(ours.fooled), b = at::cat(plain.fooled);
  const auto images = static_cast<double>(one.batch * one.batches);
  return absl::StrCat(
      ShareFalse(a.ne(b)), " ", ShareFalse(a), " ", ShareFalse(b), " ",
      static_cast<double>(ours.gradients) / images, " ",
      static_cast<double>(ours.forwards) / images, " ",
      static_cast<double>(plain.gradients) / images, " ",
      static_cast<double>(plain.forwards) / images, " ", images);
}

std::string Answer(const Bench& bench, const std::string& question) {
  static const std::map<std::string, Case> cases = Cases();
  if (question == "peak") return std::to_string(FmaPeakGflops());
  const size_t space = question.find(' ');
  const std::string arm = question.substr(0, space);
  const auto one = space == std::string::npos
                       ? cases.end()
                       : cases.find(question.substr(space + 1));
  if (one == cases.end()) return "unknown";
  const at::NoGradGuard no_grad;
  if (arm == "verdicts") return Verdicts(bench, one->second);
  return std::to_string(bench.Run(one->second, arm == "ours").seconds);
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: bench_attack_arms ARCHITECTURE WEIGHTS IMAGES "
                 "DEVICE\n";
    return 2;
  }
  at::set_num_threads(adv::UsableCores());
  const adv::Bench bench(argv[1], argv[2], argv[3],
                         adv::ValueOrDie(adv::ParseDevice(argv[4])));
  for (std::string question; std::getline(std::cin, question);) {
    std::cout << adv::Answer(bench, question) << std::endl;
  }
  return 0;
}
