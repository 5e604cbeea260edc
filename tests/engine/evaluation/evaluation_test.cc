#include "engine/evaluation/evaluation.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "tests/engine/attacks/test_networks.h"
#include "tests/engine/evaluation/record_text.h"

namespace adv {
namespace {

std::vector<std::string> Texts(const std::vector<SampleRecord>& samples) {
  std::vector<std::string> texts;
  for (const SampleRecord& sample : samples)
    texts.push_back(RecordText(sample));
  return texts;
}

// The means are sums of doubles, which only a fixed order repeats exactly.
std::string Text(const AttackReport& r) {
  return absl::StrFormat("%d %d %d %d %a %a %a %a %a", r.overall.right_right,
                         r.overall.right_wrong, r.overall.wrong_right,
                         r.overall.wrong_wrong, r.mean_confidence_drop,
                         r.mean_l2, r.mean_linf, r.iterations.mean, r.max_l2);
}

class EvaluationTest : public ::testing::Test {
 protected:
  static constexpr int64_t kImages = 40;

  EvaluationTest() {
    dataset_.name = "toy";
    dataset_.class_names = {"a", "b", "c", "d", "e"};
    dataset_.images =
        (Uniform({kImages, 3, 4, 4}, 60) * 255).round().to(at::kByte);
    indices_.resize(kImages);
    std::iota(indices_.begin(), indices_.end(), 0);
    dataset_.labels = network_->Logits(dataset_.images.to(at::kFloat) / 255)
                          .value()
                          .argmax(1);
    for (int64_t i = 3; i < kImages; i += 7) {
      dataset_.labels[i] = (dataset_.labels[i].item<int64_t>() + 1) % 5;
    }
    plan_.attacks = {FgsmConfig{}, IgsmConfig{}};
    plan_.epsilons = {0.01, 0.05};
    plan_.tile_size = 16;
  }

  absl::StatusOr<EvaluationReport> TryRun(
      const std::function<absl::Status()>& before_pass = nullptr) {
    records_.clear();
    tiles_ = 0;
    return Evaluate(
        *network_, source_ ? *source_ : *network_, dataset_, indices_, plan_,
        [this](const std::vector<SampleRecord>& records) {
          records_ = records;
          ++tiles_;
        },
        before_pass);
  }
  EvaluationReport Run() { return TryRun().value(); }

  std::string Error() {
    const absl::Status status = TryRun().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }

  std::shared_ptr<const Network> network_ = RandomNetwork(61);
  std::shared_ptr<const Network> source_;
  Dataset dataset_;
  std::vector<int64_t> indices_;
  EvaluationPlan plan_;
  std::vector<SampleRecord> records_;
  int tiles_ = 0;
};

TEST_F(EvaluationTest, RecordsAreWhatTheAttackReturned) {
  Run();
  EXPECT_EQ(tiles_, 3);
  ASSERT_EQ(records_.size(), kImages);
  AttackBatch batch;
  batch.images = dataset_.Pixels(indices_);
  batch.labels = dataset_.Labels(indices_);
  const AttackOutcome outcome =
      Make(FgsmConfig{})
          ->Run(*network_, *network_, batch, AtEpsilons(plan_.epsilons))
          .value();
  const AttackResult& result = outcome.results[1];
  const at::Tensor softmax = result.logits.to(at::kDouble).softmax(1);
  const at::Tensor delta =
      (result.images.to(at::kDouble) - batch.images).flatten(1);
  for (int64_t i = 0; i < kImages; ++i) {
    const SampleRecord& sample = records_[i];
    const AttackRecord& record = sample.attacks[1];
    EXPECT_EQ(sample.index, i);
    EXPECT_EQ(sample.label, batch.labels[i].item<int64_t>());
    EXPECT_EQ(sample.prediction,
              outcome.clean_logits[i].argmax().item<int64_t>());
    EXPECT_EQ(record.prediction, result.logits[i].argmax().item<int64_t>());
    EXPECT_NEAR(record.confidence, softmax[i].max().item<double>(), 1e-12);
    EXPECT_NEAR(record.label_confidence,
                softmax[i][sample.label].item<double>(), 1e-12);
    EXPECT_EQ(record.success, record.prediction != sample.label);
    EXPECT_EQ(record.target, -1);
    EXPECT_EQ(record.gradients, 0);  // at the first epsilon
    EXPECT_EQ(sample.attacks[0].gradients, 1);
    EXPECT_EQ(record.forwards, 1);
    EXPECT_EQ(record.l0, delta[i].ne(0).sum().item<int64_t>());
    EXPECT_NEAR(record.l2, delta[i].norm().item<double>(), 1e-12);
    EXPECT_EQ(record.linf, delta[i].abs().max().item<double>());
  }
}

TEST_F(EvaluationTest, Identities) {
  const EvaluationReport report = Run();
  EXPECT_EQ(report.samples, kImages);
  const auto trace = [](const PairCounts& confusion) {
    int64_t sum = 0;
    for (int64_t k = 0; k < 5; ++k) sum += confusion.at(k, k);
    return sum;
  };
  ASSERT_EQ(report.attacks.size(), 4);
  for (const AttackReport& attack : report.attacks) {
    EXPECT_EQ(attack.overall.total(), kImages);
    EXPECT_EQ(attack.overall.clean_right(), trace(report.clean_confusion));
    EXPECT_EQ(attack.overall.perturbed_right(), trace(attack.confusion));
    Outcomes sum;
    for (size_t label = 0; label < 5; ++label) {
      const Outcomes& one = attack.per_class[label];
      EXPECT_EQ(one.total(), report.samples_per_class[label]);
      const std::vector<int64_t> confusion = attack.confusion.Dense();
      const auto row = confusion.begin() + label * 5;
      EXPECT_EQ(std::accumulate(row, row + 5, int64_t{0}), one.total());
      sum.right_right += one.right_right;
      sum.right_wrong += one.right_wrong;
      sum.wrong_right += one.wrong_right;
      sum.wrong_wrong += one.wrong_wrong;
    }
    EXPECT_EQ(sum.right_right, attack.overall.right_right);
    EXPECT_EQ(sum.right_wrong, attack.overall.right_wrong);
    EXPECT_EQ(sum.wrong_right, attack.overall.wrong_right);
    EXPECT_EQ(sum.wrong_wrong, attack.overall.wrong_wrong);
    EXPECT_LE(attack.max_linf, attack.epsilon + 1e-6);
    EXPECT_GT(attack.overall.right_wrong, 0);
    int64_t binned = 0;
    for (int64_t images : attack.iterations.histogram) binned += images;
    EXPECT_EQ(binned, attack.iterations.images);
  }
}

TEST_F(EvaluationTest, EpsilonZeroLeavesCleanAccuracy) {
  plan_.epsilons = {0};
  const EvaluationReport report = Run();
  for (const AttackReport& attack : report.attacks) {
    EXPECT_EQ(attack.overall.right_right, attack.overall.clean_right());
    EXPECT_EQ(attack.overall.wrong_right, 0);
    EXPECT_TRUE(attack.confusion == report.clean_confusion);
    EXPECT_EQ(attack.max_l0, 0);
    EXPECT_EQ(attack.mean_confidence_drop, 0);
  }
}

TEST_F(EvaluationTest, TilesDoNotMatter) {
  for (Goal::Kind kind : {Goal::Kind::kUntargeted, Goal::Kind::kTargeted}) {
    plan_.goal = {kind, Goal::TargetRule::kRandom, -1};
    for (SuccessRule rule :
         {SuccessRule::kLastIterate, SuccessRule::kAnyIterate}) {
      plan_.success = rule;
      plan_.tile_size = 7;
      Run();
      const std::vector<std::string> small = Texts(records_);
      plan_.tile_size = 128;
      Run();
      EXPECT_EQ(tiles_, 1);
      EXPECT_EQ(Texts(records_), small);
    }
  }
}

TEST_F(EvaluationTest, OrderDoesNotMatter) {
  const EvaluationReport forward = Run();
  std::vector<std::string> records = Texts(records_);
  std::reverse(indices_.begin(), indices_.end());
  std::rotate(indices_.begin(), indices_.begin() + 5, indices_.end());
  const EvaluationReport shuffled = Run();
  std::vector<std::string> others = Texts(records_);
  std::sort(records.begin(), records.end());
  std::sort(others.begin(), others.end());
  EXPECT_EQ(others, records);
  for (size_t i = 0; i < forward.attacks.size(); ++i) {
    EXPECT_EQ(Text(shuffled.attacks[i]), Text(forward.attacks[i]));
  }
}

TEST_F(EvaluationTest, TileByTileIsTheWhole) {
  Run();
  const std::vector<std::string> whole = Texts(records_);
  std::vector<std::string> parts;
  for (int64_t begin = 0; begin < kImages; begin += 10) {
    const auto tile =
        EvaluateTile(*network_, *network_, dataset_,
                     {indices_.begin() + begin, indices_.begin() + begin + 10},
                     plan_, nullptr);
    for (std::string& text : Texts(tile.value())) parts.push_back(text);
  }
  EXPECT_EQ(parts, whole);
}

// Attacks whose epsilons go together, apart, and not at all.
std::vector<AttackConfig> SeveralKinds() {
  ApgdConfig apgd;
  apgd.steps = 5;
  SquareConfig square;
  square.queries = 10;
  return {FgsmConfig{}, apgd, DeepFoolConfig{}, square, NoiseConfig{}};
}

TEST_F(EvaluationTest, GoesOnAfterWhatIsKnown) {
  plan_.attacks = SeveralKinds();
  const std::vector<int64_t> tile = {4, 9, 17, 30};
  std::vector<UnfinishedRecords> parts;
  int64_t passes = 0;
  const auto count = [&passes] {
    ++passes;
    return absl::OkStatus();
  };
  const auto whole =
      EvaluateTile(*network_, *network_, dataset_, tile, plan_, count,
                   {nullptr, {}, [&parts](const UnfinishedRecords& records) {
                      parts.push_back(records);
                      return absl::OkStatus();
                    }});
  ASSERT_TRUE(whole.ok()) << whole.status();
  // Two epsilons of APGD, Square and noise come apart, those of the others
  // together.
  ASSERT_EQ(parts.size(), 8);
  EXPECT_EQ(parts[1].front().attacks.size(), 3);
  for (const UnfinishedRecords& known : parts) {
    const int64_t before = std::exchange(passes, 0);
    const auto rest = EvaluateTile(*network_, *network_, dataset_, tile, plan_,
                                   count, {nullptr, known, nullptr});
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(Texts(*rest), Texts(*whole));
    EXPECT_LT(passes, before);
  }
  EXPECT_EQ(passes, 0);
}

TEST_F(EvaluationTest, GoesOnWithinAnAttackWhoseEpsilonsGoTogether) {
  const std::vector<int64_t> tile = {4, 9};
  const auto whole =
      EvaluateTile(*network_, *network_, dataset_, tile, plan_, nullptr);
  UnfinishedRecords known = *whole;
  for (SampleRecord& record : known) record.attacks.resize(3);
  const auto rest = EvaluateTile(*network_, *network_, dataset_, tile, plan_,
                                 nullptr, {nullptr, known, nullptr});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(Texts(*rest), Texts(*whole));
}

TEST_F(EvaluationTest, EndsWhenItsResultsAreNotTaken) {
  const absl::Status full = absl::ResourceExhaustedError("full");
  EXPECT_EQ(EvaluateTile(
                *network_, *network_, dataset_, {4, 9}, plan_, nullptr,
                {nullptr, {}, [&](const UnfinishedRecords&) { return full; }})
                .status(),
            full);
}

TEST_F(EvaluationTest, RefusesToGoOnAfterOtherImages) {
  const auto known =
      EvaluateTile(*network_, *network_, dataset_, {4, 9}, plan_, nullptr);
  for (const std::vector<int64_t>& tile :
       {std::vector<int64_t>{4, 10}, std::vector<int64_t>{4}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        EvaluateTile(*network_, *network_, dataset_, tile, plan_, nullptr,
                     {nullptr, *known, nullptr})
            .status()));
  }
  plan_.attacks.pop_back();
  EXPECT_TRUE(absl::IsInvalidArgument(
      EvaluateTile(*network_, *network_, dataset_, {4, 9}, plan_, nullptr,
                   {nullptr, *known, nullptr})
          .status()));
}

// Not even in the last tile, which is not full.
TEST_F(EvaluationTest, NothingIsComputedButWhatIsCounted) {
  class RowCounter final : public Network {
   public:
    explicit RowCounter(const Network& network)
        : Network(network.traits()), network_(network) {}
    absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
      forwards += images.size(0);
      return network_.Logits(images);
    }
    absl::StatusOr<LogitsAndGradient> InputGradient(
        const at::Tensor& images, const LogitGradient& loss) const override {
      gradients += images.size(0);
      return network_.InputGradient(images, loss);
    }

    mutable int64_t forwards = 0, gradients = 0;

   private:
    const Network& network_;
  };
  const auto inner = network_;
  const auto counter = std::make_shared<RowCounter>(*inner);
  network_ = counter;
  ASSERT_TRUE(TryRun().ok());
  int64_t forwards = 0, gradients = 0;
  for (const SampleRecord& sample : records_) {
    for (const AttackRecord& record : sample.attacks) {
      forwards += record.forwards;
      gradients += record.gradients;
    }
  }
  EXPECT_EQ(counter->forwards, forwards);
  EXPECT_EQ(counter->gradients, gradients);
}

TEST_F(EvaluationTest, CleanPassIsNotRepeated) {
  const auto counting = std::make_shared<CountingNetwork>(network_);
  network_ = counting;
  plan_.tile_size = kImages;
  plan_.attacks = {FgsmConfig{}};
  plan_.epsilons = {0.01, 0.02, 0.03};
  Run();
  EXPECT_EQ(counting->passes, 4);  // a gradient and three verdicts
}

TEST_F(EvaluationTest, Targeted) {
  plan_.goal = {Goal::Kind::kTargeted, Goal::TargetRule::kLeastLikely, -1};
  plan_.epsilons = {0.3};
  const EvaluationReport report = Run();
  EXPECT_GT(report.attacks[0].target_hits, kImages / 2);
  for (const SampleRecord& sample : records_) {
    for (const AttackRecord& record : sample.attacks) {
      EXPECT_NE(record.target, sample.label);
      EXPECT_EQ(record.success, record.prediction == record.target);
    }
  }
}

// Two queries of noise seldom come by a class, but two of the data set's own
// images of it do.
TEST_F(EvaluationTest, DecisionAttacksGoToTargetsFromTheDataSetsImages) {
  plan_.attacks = {HopSkipJumpConfig{2},
                   AutoAttackConfig{{{HopSkipJumpConfig{2}}}}};
  plan_.norm = Norm::kL2;
  plan_.goal = {Goal::Kind::kTargeted, Goal::TargetRule::kNext, -1};
  plan_.epsilons = {6.9};
  for (const AttackReport& report : Run().attacks) {
    EXPECT_GT(report.target_hits, kImages * 9 / 10);
  }
}

TEST_F(EvaluationTest, TransferUsesTheSourcesGradient) {
  plan_.attacks = {FgsmConfig{}};
  const EvaluationReport white_box = Run();
  source_ = RandomNetwork(62);
  const EvaluationReport transfer = Run();
  EXPECT_TRUE(transfer.clean_confusion == white_box.clean_confusion);
  EXPECT_GT(transfer.attacks[1].overall.right_right,
            white_box.attacks[1].overall.right_right);
}

TEST_F(EvaluationTest, EightBitDistancesAreSteps) {
  plan_.eight_bit = true;
  plan_.epsilons = {3.5 / 255};
  Run();
  for (const SampleRecord& sample : records_) {
    EXPECT_NEAR(sample.attacks[0].linf * 255, 3, 1e-4);
  }
}

TEST_F(EvaluationTest, HookEndsItAndFinishedTilesAreKept) {
  int calls = 0;  // a tile makes 24: 3 of FGSM, 21 of IGSM
  const absl::Status status =
      TryRun([&] {
        return ++calls <= 30 ? absl::OkStatus() : absl::CancelledError("stop");
      }).status();
  EXPECT_EQ(status, absl::CancelledError("stop"));
  EXPECT_EQ(calls, 31);
  EXPECT_EQ(tiles_, 1);
  EXPECT_EQ(records_.size(), 16);
}

TEST_F(EvaluationTest, EveryViolationAtOnce) {
  plan_.attacks = {FgsmConfig{true}, IgsmConfig{0, 0}};
  plan_.norm = Norm::kL2;
  plan_.epsilons = {-1};
  plan_.eight_bit = true;
  plan_.tile_size = 1025;
  plan_.goal = {Goal::Kind::kTargeted, Goal::TargetRule::kFixed, 5};
  EXPECT_EQ(Error(),
            "epsilon: -1 is outside [0, 6.9282]; norm: L2 is not one that "
            "this attack has, which is L-inf; eight_bit: images of "
            "thesis_mode leave the box, bytes cannot; step_size: 0 is outside "
            "(0, 1]; steps: 0 is outside [1, 10000]; target_class: 5 is "
            "outside [0, 4]; tile_size: 1025 is outside [1, 1024]");
}

TEST_F(EvaluationTest, EmptyPlan) {
  plan_.attacks = {};
  EXPECT_EQ(Error(), "attacks: at least one is needed");
  plan_.attacks = {FgsmConfig{}};
  plan_.epsilons = {};
  EXPECT_EQ(Error(), "epsilon: at least one is needed");
}

TEST_F(EvaluationTest, BadImages) {
  indices_ = {0, kImages};
  EXPECT_EQ(Error(), "indices: 40 is outside [0, 39]");
  indices_ = {-1};
  EXPECT_EQ(Error(), "indices: -1 is outside [0, 39]");
  indices_ = {};
  EXPECT_EQ(Error(), "indices: at least one image is needed");
  indices_ = {2};
  dataset_.labels[2] = 5;
  EXPECT_EQ(Error(),
            "dataset: toy has a label outside the model's classes, [0, 4]");
  dataset_.images = dataset_.images.narrow(2, 0, 2);
  EXPECT_EQ(Error(),
            "dataset: toy has no images of the model's shape, [3, 4, 4]");
}

TEST_F(EvaluationTest, TooManyImagesForATile) {
  EXPECT_EQ(EvaluateTile(*network_, *network_, dataset_,
                         std::vector<int64_t>(17, 0), plan_, nullptr)
                .status()
                .message(),
            "indices: 17 images are more than tile_size, 16");
}

TEST_F(EvaluationTest, TargetThatIsALabel) {
  plan_.goal = {Goal::Kind::kTargeted, Goal::TargetRule::kFixed, 2};
  dataset_.labels[0] = 2;
  EXPECT_EQ(Error(), "target_class: 2 is the label of image 0");
}

}  // namespace
}  // namespace adv
