#include <ATen/ATen.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "engine/training/trainer.h"
#include "tests/engine/gpu/gpu_fixture.h"

namespace adv {
namespace {

constexpr int64_t kImages = 640;

class TrainerGpuTest : public GpuTest {
 protected:
  // Class k is bright in row 3 k.
  static Dataset MakeData() {
    Dataset data;
    data.name = "made";
    for (int i = 0; i < 10; ++i) data.class_names.push_back(std::to_string(i));
    data.labels = at::arange(kImages, at::kLong).remainder(10);
    at::manual_seed(1);
    data.images = at::randint(64, {kImages, 3, 32, 32}, at::kByte);
    for (int64_t i = 0; i < kImages; ++i) {
      data.images[i].select(1, 3 * (i % 10)) += 150;
    }
    data.digest = DigestRecords(data.images, data.labels);
    return data;
  }

  std::unique_ptr<Trainer> Make(at::Device device, bool dropout,
                                const TrainingSettings& settings) const {
    std::vector<Layer> layers = *VggLayers("table51");
    for (Layer& layer : layers) layer.dropout *= dropout;
    std::vector<int64_t> all(kImages);
    std::iota(all.begin(), all.end(), 0);
    return *Trainer::Create(layers, TrainingData::Upload(data_, device), all,
                            settings);
  }

  static TrainingSettings Settings(AdversarialTraining::Method method) {
    TrainingSettings settings;
    settings.max_epochs = 2;
    settings.patience = 0;
    settings.horizontal_flips = true;
    settings.shuffle_on_device = true;
    settings.adversarial = AdversarialTraining::Default(method);
    return settings;
  }

  const Dataset data_ = MakeData();
};

void RunToTheEnd(Trainer* trainer) {
  while (!trainer->finished()) {
    const auto record = trainer->RunEpoch(nullptr);
    ASSERT_TRUE(record.ok()) << record.status();
  }
}

// Eighteen full steps an epoch: most of them are replayed from a recording.
TEST_F(TrainerGpuTest, CurvesAgreeWithTheCpus) {
  TrainingSettings settings = Settings(AdversarialTraining::Method::kNone);
  settings.shuffle_on_device = false;  // the same order for both
  const auto on_cpu = Make(at::kCPU, /*dropout=*/false, settings);
  const auto on_gpu = Make(cuda_, /*dropout=*/false, settings);
  RunToTheEnd(on_cpu.get());
  RunToTheEnd(on_gpu.get());
  for (size_t i = 0; i < on_cpu->epochs().size(); ++i) {
    EXPECT_NEAR(on_gpu->epochs()[i].training_loss,
                on_cpu->epochs()[i].training_loss, 0.01);
    EXPECT_NEAR(on_gpu->epochs()[i].validation_loss,
                on_cpu->epochs()[i].validation_loss, 0.02);
  }
}

TEST_F(TrainerGpuTest, SeveralAtOnceAllLearn) {
  for (const auto method :
       {AdversarialTraining::Method::kNone, AdversarialTraining::Method::kFgsm,
        AdversarialTraining::Method::kPgd}) {
    std::vector<std::unique_ptr<Trainer>> trainers;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      trainers.push_back(Make(cuda_, /*dropout=*/true, Settings(method)));
      threads.emplace_back(RunToTheEnd, trainers.back().get());
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& trainer : trainers) {
      const std::vector<EpochRecord>& epochs = trainer->epochs();
      EXPECT_LT(epochs.back().training_loss, epochs.front().training_loss);
      EXPECT_TRUE(std::isfinite(epochs.back().validation_loss));
    }
  }
}

TEST_F(TrainerGpuTest, ContinuesFromACheckpoint) {
  const TrainingSettings settings =
      Settings(AdversarialTraining::Method::kNone);
  const auto first = Make(cuda_, /*dropout=*/true, settings);
  ASSERT_TRUE(first->RunEpoch(nullptr).ok());
  const auto second = Make(cuda_, /*dropout=*/true, settings);
  ASSERT_TRUE(second->Restore(*first->Checkpoint()).ok());
  RunToTheEnd(first.get());
  RunToTheEnd(second.get());
  EXPECT_NEAR(first->epochs()[1].training_loss,
              second->epochs()[1].training_loss, 0.01);
}

}  // namespace
}  // namespace adv
