#include "engine/training/trainer.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "engine/training/early_stopping.h"
#include "engine/training/keyed_random.h"
#include "engine/training/learning_rate.h"

namespace adv {
namespace {

// Reading the loss back makes a GPU wait, so not after every step.
constexpr int64_t kStepsPerReport = 10;
constexpr int64_t kValidationBatch = 256;

at::Tensor ToTensor(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

void SeedDropout(at::Device device, uint64_t seed, int64_t step) {
  const uint64_t key = KeyedGenerator(RandomStream::kDropout, seed, step)();
  at::Generator generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(key);
}

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) {
  return at::nll_loss(at::log_softmax(logits, 1), labels);
}

at::Tensor CountCorrect(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum();
}

// Adds its life to `total`, at Lap and at its end.
class Stopwatch {
 public:
  explicit Stopwatch(double* total) : total_(total) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { Lap(); }
  void Lap() {
    const Clock::time_point now = Clock::now();
    *total_ += std::chrono::duration<double>(now - start_).count();
    start_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  double* total_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(
    std::vector<Layer> layers, const Dataset& dataset,
    const std::vector<int64_t>& kept, const TrainingSettings& settings,
    at::Device device) {
  if (absl::Status status = settings.Validate(); !status.ok()) return status;
  ValidationSplit split = SplitForValidation(
      dataset.labels, kept, settings.validation_fraction, settings.seed);
  if (split.training.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no training image is left of ", kept.size(), " with a ",
                     "validation_fraction of ", settings.validation_fraction));
  }
  if (split.validation.empty() && settings.validation_fraction > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "validation_fraction ", settings.validation_fraction, " of ",
        kept.size(), " images leaves none for validation"));
  }
  return std::unique_ptr<Trainer>(new Trainer(
      std::move(layers), dataset, std::move(split), settings, device));
}

Trainer::Trainer(std::vector<Layer> layers, const Dataset& dataset,
                 ValidationSplit split, const TrainingSettings& settings,
                 at::Device device)
    : layers_(std::move(layers)),
      settings_(settings),
      device_(device),
      split_(std::move(split)),
      data_digest_(dataset.digest),
      images_(dataset.images.permute({0, 2, 3, 1}).contiguous().to(device)),
      labels_(dataset.labels.to(device)),
      validation_(ToTensor(split_.validation, device)),
      parameters_(InitialParameters(layers_, settings.seed), device),
      optimizer_(parameters_.values(), settings.rho,
                 settings.optimizer_epsilon),
      best_values_(parameters_.values().clone()),
      loss_sum_(at::zeros({}, at::device(device).dtype(at::kDouble))),
      correct_(at::zeros({}, at::device(device).dtype(at::kLong))) {
  StartEpoch();
}

int64_t Trainer::steps_per_epoch() const {
  const int64_t images = static_cast<int64_t>(split_.training.size());
  return (images + settings_.batch_size - 1) / settings_.batch_size;
}

bool Trainer::stopped_early() const {
  EarlyStopping rule(settings_.patience, settings_.min_delta);
  for (const EpochRecord& epoch : epochs_) {
    rule.Observe(epoch.validation_loss);
    if (rule.should_stop()) return true;
  }
  return false;
}

int64_t Trainer::best_epoch() const {
  if (split_.validation.empty()) return static_cast<int64_t>(epochs_.size());
  const auto best =
      std::min_element(epochs_.begin(), epochs_.end(),
                       [](const EpochRecord& a, const EpochRecord& b) {
                         return a.validation_loss < b.validation_loss;
                       });
  return best == epochs_.end() ? 0 : best - epochs_.begin() + 1;
}

StateDict Trainer::BestParameters() const {
  return parameters_.Unflatten(best_values_);
}

// The order and the flips of an epoch depend on its number alone, so that a
// resumed epoch goes on where it was.
void Trainer::StartEpoch() {
  step_ = 0;
  epoch_seconds_ = 0;
  loss_sum_.zero_();
  correct_.zero_();
  const uint64_t epoch = epochs_.size();
  std::vector<int64_t> order = split_.training;
  std::mt19937_64 shuffle =
      KeyedGenerator(RandomStream::kShuffle, settings_.seed, epoch);
  Shuffle(order, shuffle);
  order_ = ToTensor(order, device_);
  if (!settings_.horizontal_flips) return;
  std::mt19937_64 coin =
      KeyedGenerator(RandomStream::kFlips, settings_.seed, epoch);
  const at::Tensor flips =
      at::empty({static_cast<int64_t>(order.size())}, at::kBool);
  std::generate_n(flips.data_ptr<bool>(), order.size(),
                  [&coin] { return (coin() >> 63) != 0; });
  flips_ = flips.to(device_);
}

// The images at `indices` as channels-last pixels in [0, 1].
at::Tensor Trainer::Batch(const at::Tensor& indices) const {
  return images_.index_select(0, indices)
      .permute({0, 3, 1, 2})
      .to(at::kFloat)
      .div_(255);
}

void Trainer::Step() {
  const int64_t begin = step_ * settings_.batch_size;
  const int64_t count = std::min(settings_.batch_size, order_.size(0) - begin);
  const at::Tensor indices = order_.narrow(0, begin, count);
  const at::Tensor labels = labels_.index_select(0, indices);
  at::Tensor images = Batch(indices);
  if (flips_.defined()) {
    images = at::where(flips_.narrow(0, begin, count).view({-1, 1, 1, 1}),
                       images.flip(3), images);
  }

  const int64_t update = steps_done();
  SeedDropout(device_, settings_.seed, update);
  parameters_.gradients().zero_();
  const at::Tensor logits =
      VggForward(layers_, parameters_.leaves(), images, /*training=*/true);
  const at::Tensor loss = CrossEntropy(logits, labels);
  loss.backward();
  optimizer_.Step(parameters_.gradients(),
                  LearningRateAt(settings_, update,
                                 settings_.max_epochs * steps_per_epoch()));
  loss_sum_.add_(loss.detach(), static_cast<double>(count));
  correct_.add_(CountCorrect(logits.detach(), labels));
  ++step_;
}

EpochProgress Trainer::Progress() const {
  EpochProgress progress;
  progress.epoch = static_cast<int64_t>(epochs_.size()) + 1;
  progress.images_total = order_.size(0);
  progress.images =
      std::min(step_ * settings_.batch_size, progress.images_total);
  const double images =
      static_cast<double>(std::max<int64_t>(progress.images, 1));
  progress.training_loss = loss_sum_.item<double>() / images;
  progress.training_accuracy =
      static_cast<double>(correct_.item<int64_t>()) / images;
  return progress;
}

absl::Status Trainer::RunSteps(const ProgressCallback& progress) {
  Stopwatch total(&seconds_);
  Stopwatch epoch(&epoch_seconds_);
  const at::AutoGradMode enable_grad(true);
  const int64_t steps = steps_per_epoch();
  while (step_ < steps) {
    Step();
    if (step_ % kStepsPerReport != 0 && step_ != steps) continue;
    const EpochProgress now = Progress();
    if (!std::isfinite(now.training_loss)) {
      return absl::OutOfRangeError(absl::StrCat(
          "training diverged: the loss is ", now.training_loss, " in epoch ",
          now.epoch, " after ", now.images, " images; a lower learning_rate ",
          "than ", settings_.learning_rate, " may help"));
    }
    total.Lap();  // `progress` may write a checkpoint.
    epoch.Lap();
    if (progress && !progress(now)) {
      return absl::CancelledError("training was asked to stop");
    }
  }
  return absl::OkStatus();
}

void Trainer::Validate(EpochRecord* record) const {
  if (validation_.size(0) == 0) return;
  const at::NoGradGuard no_grad;
  double loss = 0;
  int64_t correct = 0;
  for (const at::Tensor& indices : validation_.split(kValidationBatch)) {
    const at::Tensor labels = labels_.index_select(0, indices);
    const at::Tensor logits = VggForward(layers_, parameters_.leaves(),
                                         Batch(indices), /*training=*/false);
    loss += CrossEntropy(logits, labels).item<double>() *
            static_cast<double>(indices.size(0));
    correct += CountCorrect(logits, labels).item<int64_t>();
  }
  const double images = static_cast<double>(validation_.size(0));
  record->validation_loss = loss / images;
  record->validation_accuracy = static_cast<double>(correct) / images;
}

absl::StatusOr<EpochRecord> Trainer::RunRestOfEpoch(
    const ProgressCallback& progress) {
  if (absl::Status status = RunSteps(progress); !status.ok()) return status;
  const EpochProgress end = Progress();
  EpochRecord record;
  record.training_loss = end.training_loss;
  record.training_accuracy = end.training_accuracy;
  {
    Stopwatch total(&seconds_);
    Stopwatch epoch(&epoch_seconds_);
    Validate(&record);
  }
  if (!std::isfinite(record.validation_loss)) {
    return absl::OutOfRangeError(
        absl::StrCat("training diverged: the validation loss of epoch ",
                     end.epoch, " is ", record.validation_loss));
  }
  record.seconds = epoch_seconds_;
  epochs_.push_back(record);
  if (best_epoch() == static_cast<int64_t>(epochs_.size())) {
    best_values_.copy_(parameters_.values());
  }
  StartEpoch();
  return record;
}

absl::StatusOr<EpochRecord> Trainer::RunEpoch(
    const ProgressCallback& progress) {
  if (finished()) {
    return absl::FailedPreconditionError("training is finished");
  }
  try {
    return RunRestOfEpoch(progress);
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat("LibTorch failed in training: ",
                                            error.what_without_backtrace()));
  }
}

}  // namespace adv
