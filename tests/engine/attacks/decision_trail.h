#ifndef ADV_TESTS_ENGINE_ATTACKS_DECISION_TRAIL_H_
#define ADV_TESTS_ENGINE_ATTACKS_DECISION_TRAIL_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/engine/attacks/black_box_networks.h"

namespace adv {

// Says 1 of the images of SmallShape that `fools` marks, 0 of the others.
class RuleNetwork final : public Network {
 public:
  // [N, 48] double, what the pixels are off mid-grey -> [N] bool.
  using Rule = std::function<at::Tensor(const at::Tensor&)>;

  explicit RuleNetwork(Rule fools)
      : Network(OnCpu(SmallShape(), 2)), fools_(std::move(fools)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::Tensor fools = fools_(images.flatten(1).to(at::kDouble) - 0.5);
    return OneHot(fools.to(at::kLong), 2);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor&, const LogitGradient&) const override {
    TORCH_CHECK(false, "a gradient was asked for");
  }

 private:
  const Rule fools_;
};

// What a decision attack asked about a grey image, and a walk beside it that
// compares each question with the one that the paper's formulas lead to. All
// images are what they are off the grey one, [48] double.
class DecisionTrail {
 public:
  DecisionTrail(const AttackConfig& config, Norm norm, RuleNetwork::Rule fools,
                uint64_t seed)
      : norm_(norm) {
    const auto rule = std::make_shared<RuleNetwork>(std::move(fools));
    const RecordingNetwork recording(rule);
    AttackBatch batch;
    batch.images = at::full({1, 3, 4, 4}, 0.5, at::kFloat);
    batch.labels = Longs({0});
    batch.clean_logits = Floats({1, 0}).view({1, 2});
    RunOptions options = WithinTheBox(norm);
    options.seed = seed;
    RunOne(config, recording, batch, options);
    for (const at::Tensor& image : recording.asked) {
      asked_.push_back(image.flatten().to(at::kDouble) - 0.5);
      fools_.push_back((*rule->Logits(image))[0][1].item<bool>());
    }
  }

  double Size(const at::Tensor& image) const {
    return (norm_ == Norm::kLinf ? image.abs().max() : image.norm())
        .item<double>();
  }

  size_t asked() const { return next_; }
  bool over() const { return next_ == asked_.size(); }

  // The next question, not foretold. Not once over().
  const at::Tensor& Next() { return asked_[next_++]; }
  const at::Tensor& last() const { return asked_[next_ - 1]; }
  bool last_fools() const { return fools_[next_ - 1]; }
  // Whether the next question, which must be `expected`, fools.
  bool Ask(const at::Tensor& expected) {
    const double error =
        (Next() - expected.clamp(-0.5, 0.5)).abs().max().item<double>();
    EXPECT_LT(error, 1e-6) << "question " << next_;
    return last_fools();
  }

  // The image that fools where the walk begins: from noise, by halving its
  // share down to a thousandth.
  at::Tensor Start() {
    while (!over() && !(Next(), last_fools())) {
    }
    const at::Tensor noise = last();
    at::Tensor start = noise;
    double low = 0, high = 1;
    while (!over() && high - low > 0.001) {
      const double middle = (low + high) / 2;
      const bool fools = Ask(middle * noise);
      (fools ? high : low) = middle;
      if (fools) start = last();
    }
    return start;
  }

 private:
  const Norm norm_;
  std::vector<at::Tensor> asked_;
  std::vector<bool> fools_;
  size_t next_ = 0;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_DECISION_TRAIL_H_
