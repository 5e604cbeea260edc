#include "engine/training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <thread>
#include <tuple>

#include "engine/training/checkpoint.h"
#include "tests/engine/training/tiny_training.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(TrainerTest, DataOfFloatsGivesThePixelsOfItsBytes) {
  Dataset floats = data_;
  floats.images = data_.images.to(at::kFloat).div(255);
  const at::Tensor indices = at::tensor({7, 0, 59}, at::kLong);
  const at::Tensor pixels = Upload(floats)->Pixels(indices);
  EXPECT_TRUE(pixels.equal(Upload(data_)->Pixels(indices)));
  EXPECT_TRUE(pixels.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_F(TrainerTest, Learns) {
  TrainingSettings settings = TinySettings();
  settings.max_epochs = 20;
  const auto trainer = Make(settings);
  RunToTheEnd(trainer.get());
  const std::vector<EpochRecord>& epochs = trainer->epochs();
  ASSERT_EQ(epochs.size(), 20u);
  EXPECT_LT(epochs.back().training_loss, epochs.front().training_loss / 2);
  EXPECT_GT(epochs.back().validation_accuracy, 0.5);
  EXPECT_FALSE(trainer->stopped_early());
  EXPECT_EQ(trainer->RunEpoch(nullptr).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// With each epoch's order drawn on the host, or on the device.
class ShuffleTest : public TrainerTest,
                    public testing::WithParamInterface<bool> {
 protected:
  static TrainingSettings Settings() {
    TrainingSettings settings = TinySettings();
    settings.shuffle_on_device = GetParam();
    return settings;
  }
};

INSTANTIATE_TEST_SUITE_P(HostAndDevice, ShuffleTest, testing::Bool());

// One step over all images against the formulas, without dropout and flips:
// each image takes part once, with its own label.
TEST_P(ShuffleTest, OneStepIsTheGradientsRmsPropStep) {
  TrainingSettings settings = Settings();
  settings.batch_size = kImages;
  settings.max_epochs = 1;
  settings.horizontal_flips = false;
  settings.validation_fraction = 0;
  const auto trainer = Make(settings, /*dropout=*/0);
  RunToTheEnd(trainer.get());

  const std::vector<Layer> layers = TinyLayers(0);
  StateDict parameters = InitialParameters(layers, settings.seed);
  for (auto& [name, value] : parameters) value.requires_grad_(true);
  const at::Tensor logits =
      VggForward(layers, parameters, data_.Pixels(AllImages()));
  at::nll_loss(at::log_softmax(logits, 1), data_.labels).backward();
  const StateDict trained = trainer->BestParameters();
  for (const auto& [name, value] : parameters) {
    const at::Tensor g = value.grad();
    const at::Tensor expected =
        value.detach() -
        settings.learning_rate * g / ((0.1 * g * g).sqrt() + 1e-8);
    // A gradient near zero may have either sign after rounding.
    const at::Tensor off = (trained.at(name) - expected).abs();
    EXPECT_LT(off.masked_fill(g.abs() < 1e-6, 0).max().item<float>(), 1e-5)
        << name;
  }
}

TEST_P(ShuffleTest, FlipsMirrorImages) {
  Dataset symmetric = data_;
  symmetric.images = at::maximum(data_.images, data_.images.flip(3));
  TrainingSettings settings = Settings();
  const auto run = [&](const Dataset& data, bool flips) {
    settings.horizontal_flips = flips;
    auto trainer =
        *Trainer::Create(TinyLayers(0), Upload(data), AllImages(), settings);
    RunToTheEnd(trainer.get());
    return trainer->BestParameters().at("dense.weight");
  };
  EXPECT_TRUE(run(symmetric, true).equal(run(symmetric, false)));
  EXPECT_FALSE(run(data_, true).equal(run(data_, false)));
}

TEST_P(ShuffleTest, TheSeedDecidesEverything) {
  TrainingSettings settings = Settings();
  const auto first = Make(settings);
  const auto second = Make(settings);
  settings.seed = 2;
  const auto other = Make(settings);
  for (Trainer* trainer : {first.get(), second.get(), other.get()}) {
    RunToTheEnd(trainer);
  }
  ExpectSame(*first, *second);
  EXPECT_FALSE(first->BestParameters()
                   .at("dense.weight")
                   .equal(other->BestParameters().at("dense.weight")));
}

TEST_F(TrainerTest, HostAndDeviceDrawDifferentOrders) {
  TrainingSettings settings = TinySettings();
  settings.horizontal_flips = false;
  const auto on_host = Make(settings, /*dropout=*/0);
  settings.shuffle_on_device = true;
  const auto on_device = Make(settings, /*dropout=*/0);
  RunToTheEnd(on_host.get());
  RunToTheEnd(on_device.get());
  EXPECT_FALSE(on_host->BestParameters()
                   .at("dense.weight")
                   .equal(on_device->BestParameters().at("dense.weight")));
}

// Stops at the `stop`-th report and goes on in a new Trainer.
class ResumeTest : public TrainerTest,
                   public testing::WithParamInterface<std::tuple<bool, int>> {};

TEST_P(ResumeTest, ContinuesBitForBit) {
  const auto& [on_device, stop] = GetParam();
  TrainingSettings settings = TinySettings();
  settings.shuffle_on_device = on_device;
  const auto uninterrupted = Make(settings);
  RunToTheEnd(uninterrupted.get());

  const auto killed = Make(settings);
  int reports = 0;
  absl::Status status;
  while (status.ok() && !killed->finished()) {
    status = killed
                 ->RunEpoch([&, stop = stop](const EpochProgress&) {
                   return ++reports < stop;
                 })
                 .status();
  }
  ASSERT_TRUE(absl::IsCancelled(status)) << status;
  const absl::StatusOr<std::string> checkpoint = killed->Checkpoint();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();

  at::rand({1000});  // Another process has drawn other numbers.
  const auto resumed = Make(settings);
  ASSERT_TRUE(resumed->Restore(*checkpoint).ok());
  EXPECT_EQ(resumed->steps_done(), killed->steps_done());
  RunToTheEnd(resumed.get());
  ExpectSame(*uninterrupted, *resumed);

  RunToTheEnd(killed.get());  // in the same process too
  ExpectSame(*uninterrupted, *killed);
}

INSTANTIATE_TEST_SUITE_P(
    AnyMoment, ResumeTest,
    testing::Combine(testing::Bool(), testing::Values(1, 2, 3, 4, 6, 8, 9)));

TEST_F(TrainerTest, AFinishedRunIsRestoredAsFinished) {
  const auto trainer = Make(TinySettings());
  RunToTheEnd(trainer.get());
  const auto restored = Make(TinySettings());
  ASSERT_TRUE(restored->Restore(*trainer->Checkpoint()).ok());
  EXPECT_TRUE(restored->finished());
  ExpectSame(*trainer, *restored);
}

TEST_F(TrainerTest, RefusesTheCheckpointOfAnotherRun) {
  const std::string checkpoint = *Make(TinySettings())->Checkpoint();
  TrainingSettings settings = TinySettings();
  settings.seed = 2;
  settings.batch_size = 4;
  const absl::Status status = Make(settings)->Restore(checkpoint);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("batch_size was 2, now is 4; "),
                    HasSubstr("; seed was 1, now is 2")));
}

TEST_F(TrainerTest, RefusesTheCheckpointOfOtherDataOrLayers) {
  const std::string checkpoint = *Make(TinySettings())->Checkpoint();
  Dataset other = data_;
  other.digest = std::string(64, '0');
  absl::Status status = (*Trainer::Create(TinyLayers(0.25), Upload(other),
                                          AllImages(), TinySettings()))
                            ->Restore(checkpoint);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("training_data was"));
  status = Make(TinySettings(), /*dropout=*/0.5)->Restore(checkpoint);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layers was"));
}

TEST_F(TrainerTest, RefusesDamagedCheckpointsAndStaysAsItWas) {
  const auto trainer = Make(TinySettings());
  ASSERT_TRUE(trainer->RunEpoch(nullptr).ok());
  const std::string good = *trainer->Checkpoint();
  for (size_t place :
       {size_t{3}, size_t{40}, good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[place] ^= 1;
    EXPECT_EQ(trainer->Restore(bad).code(), absl::StatusCode::kDataLoss)
        << place;
  }
  for (size_t length : {size_t{0}, size_t{20}, good.size() / 2}) {
    EXPECT_EQ(trainer->Restore(good.substr(0, length)).code(),
              absl::StatusCode::kDataLoss)
        << length;
  }
  EXPECT_EQ(*trainer->Checkpoint(), good);
}

TEST_F(TrainerTest, RefusesACheckpointWithoutItsParts) {
  const auto trainer = Make(TinySettings());
  CheckpointContent content = *DecodeCheckpoint(*trainer->Checkpoint());
  CheckpointContent no_state = content;
  no_state.tensors.erase("mean_square");
  absl::Status status = trainer->Restore(*EncodeCheckpoint(no_state));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("mean_square"));
  content.values["step"] = "26";
  status = trainer->Restore(*EncodeCheckpoint(content));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("make no sense"));
}

TEST_F(TrainerTest, StopsWithAClearErrorWhenItDiverges) {
  TrainingSettings settings = TinySettings();
  settings.learning_rate = 1e30;
  const absl::Status status = Make(settings)->RunEpoch(nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("training diverged"));
}

TEST_F(TrainerTest, StopsEarlyAndKeepsTheBestEpochsWeights) {
  TrainingSettings settings = TinySettings();
  settings.max_epochs = 50;
  settings.patience = 2;
  settings.min_delta = 100;  // nothing counts as improvement
  const auto trainer = Make(settings);
  StateDict best;
  while (!trainer->finished()) {
    ASSERT_TRUE(trainer->RunEpoch(nullptr).ok());
    const int64_t count = static_cast<int64_t>(trainer->epochs().size());
    if (trainer->best_epoch() == count) best = trainer->BestParameters();
  }
  EXPECT_TRUE(trainer->stopped_early());
  EXPECT_EQ(trainer->epochs().size(), 3u);
  for (const auto& [name, value] : trainer->BestParameters()) {
    EXPECT_TRUE(value.equal(best.at(name))) << name;
  }
}

TEST_F(TrainerTest, WithoutValidationTheLastEpochIsTheBest) {
  TrainingSettings settings = TinySettings();
  settings.validation_fraction = 0;
  const auto trainer = Make(settings);
  EXPECT_EQ(trainer->best_epoch(), 0);
  RunToTheEnd(trainer.get());
  EXPECT_EQ(trainer->best_epoch(), 3);
  EXPECT_EQ(trainer->split().training.size(), static_cast<size_t>(kImages));
}

TEST_F(TrainerTest, StopsAboveTheBoundOnTheLoss) {
  TrainingSettings settings = TinySettings();
  settings.max_loss = 0.5;  // guessing costs 2.3
  const absl::Status status = Make(settings)->RunEpoch(nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("above max_loss 0.5"));
}

// Each with a generator of its own: neither sees that there is another.
TEST_F(TrainerTest, RunsBesideOthersAsAlone) {
  TrainingSettings settings = TinySettings();
  const auto alone = Make(settings);
  RunToTheEnd(alone.get());
  const auto first = Make(settings);
  const auto second = Make(settings);
  settings.seed = 2;
  const auto third = Make(settings);
  std::vector<std::thread> threads;
  for (Trainer* trainer : {first.get(), second.get(), third.get()}) {
    threads.emplace_back([trainer] {
      at::set_num_threads(1);
      RunToTheEnd(trainer);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectSame(*alone, *first);
  ExpectSame(*alone, *second);
  EXPECT_FALSE(third->BestParameters()
                   .at("dense.weight")
                   .equal(alone->BestParameters().at("dense.weight")));
}

TEST_F(TrainerTest, StartsFromTheInitialWeightsItIsGiven) {
  TrainingSettings settings = TinySettings();
  const at::Tensor weight = at::full({10, 64}, 0.25);
  const auto trainer =
      *Trainer::Create(TinyLayers(0), Upload(data_), AllImages(), settings,
                       {{"dense.weight", weight}});
  const StateDict start = trainer->BestParameters();
  EXPECT_TRUE(start.at("dense.weight").equal(weight));
  EXPECT_TRUE(start.at("conv.weight")
                  .equal(InitialParameters(TinyLayers(0), settings.seed)
                             .at("conv.weight")));

  const absl::Status restored =
      Make(settings, 0)->Restore(*trainer->Checkpoint());
  EXPECT_THAT(std::string(restored.message()), HasSubstr("initial_weights"));
  EXPECT_THAT(
      std::string(Trainer::Create(TinyLayers(0), Upload(data_), AllImages(),
                                  settings, {{"dense.weight", at::ones({2})}})
                      .status()
                      .message()),
      HasSubstr("dense.weight is [2], must be [10, 64]"));
}

TEST_F(TrainerTest, RefusesBadSettingsAndEmptyData) {
  TrainingSettings settings = TinySettings();
  settings.batch_size = 0;
  auto trainer =
      Trainer::Create(TinyLayers(0), Upload(data_), AllImages(), settings);
  EXPECT_THAT(std::string(trainer.status().message()),
              HasSubstr("batch_size is 0"));
  trainer = Trainer::Create(TinyLayers(0), Upload(data_), {}, TinySettings());
  EXPECT_EQ(trainer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(trainer.status().message()),
              HasSubstr("no training image is left of 0"));
  trainer =
      Trainer::Create(TinyLayers(0), Upload(data_), {1, 2}, TinySettings());
  EXPECT_THAT(std::string(trainer.status().message()),
              HasSubstr("leaves none for validation"));
}

}  // namespace
}  // namespace adv
