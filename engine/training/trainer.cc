#include "engine/training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <absl/strings/str_cat.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "engine/training/checkpoint.h"
#include "engine/training/early_stopping.h"
#include "engine/training/learning_rate.h"

namespace adv {
namespace {

// The steps between two reports on a CPU. Reading the loss back makes an
// accelerator wait, so there a report comes only at the end of an epoch.
constexpr int64_t kStepsPerReport = 10;
constexpr int64_t kValidationBatch = 256;

at::Tensor ToTensor(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

// Glorot's weights, with those of `given` in their places.
StateDict StartingParameters(const std::vector<Layer>& layers, uint64_t seed,
                             const StateDict& given) {
  StateDict parameters = InitialParameters(layers, seed);
  for (const auto& [name, value] : given) parameters[name] = value;
  return parameters;
}

at::Generator NewGenerator(at::Device device) {
  // The clone of a CPU generator in LibTorch 1.13 counts its reference twice
  // and leaks.
  return device.is_cpu() ? at::detail::createCPUGenerator()
                         : at::globalContext().defaultGenerator(device).clone();
}

// Buffers for a step's images, labels and starting points.
TrainingBatch MakeBatch(const TrainingSettings& settings,
                        const TrainingData& data) {
  std::vector<int64_t> shape = data.image_shape();
  shape.insert(shape.begin(), settings.batch_size);
  const at::TensorOptions options = at::device(data.device());
  TrainingBatch batch;
  batch.images = at::empty(shape, options.dtype(at::kFloat),
                           at::MemoryFormat::ChannelsLast);
  batch.labels = at::empty({settings.batch_size}, options.dtype(at::kLong));
  if (settings.adversarial.method != AdversarialTraining::Method::kNone) {
    batch.start = at::empty_like(batch.images);
  }
  return batch;
}

// Adds the time since its start or last Lap to `total`, at each Lap and at its
// end.
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
    std::vector<Layer> layers, std::shared_ptr<const TrainingData> data,
    const std::vector<int64_t>& kept, const TrainingSettings& settings,
    const StateDict& initial) {
  if (absl::Status status = settings.Validate(); !status.ok()) return status;
  if (absl::Status status = CheckParameters(
          layers, StartingParameters(layers, settings.seed, initial));
      !status.ok()) {
    return status;
  }
  ValidationSplit split = SplitForValidation(
      data->host_labels(), kept, settings.validation_fraction, settings.seed);
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
  const c10::Stream stream = MakeStream(data->device());
  const c10::StreamGuard on_stream(stream);
  return std::unique_ptr<Trainer>(new Trainer(std::move(layers),
                                              std::move(data), std::move(split),
                                              settings, initial, stream));
}

Trainer::Trainer(std::vector<Layer> layers,
                 std::shared_ptr<const TrainingData> data,
                 ValidationSplit split, const TrainingSettings& settings,
                 const StateDict& initial, c10::Stream stream)
    : layers_(std::move(layers)),
      settings_(settings),
      data_(std::move(data)),
      device_(data_->device()),
      stream_(stream),
      split_(std::move(split)),
      training_(ToTensor(split_.training, device_)),
      validation_(ToTensor(split_.validation, device_)),
      objective_(layers_, settings.adversarial),
      parameters_(StartingParameters(layers_, settings.seed, initial), device_),
      initial_digest_(DigestTensor(parameters_.values().cpu())),
      optimizer_(parameters_.values(), settings.rho,
                 settings.optimizer_epsilon),
      best_values_(parameters_.values().clone()),
      sums_(at::zeros({4}, at::device(device_).dtype(at::kDouble))),
      generator_(NewGenerator(device_)),
      dropout_(layers_, data_->image_shape(), settings.batch_size, device_),
      batch_(MakeBatch(settings, *data_)),
      rate_(at::zeros({}, at::device(device_).dtype(at::kFloat))),
      runner_(MakeStepRunner(device_)) {
  StartEpoch();
}

int64_t Trainer::steps_per_epoch() const {
  const int64_t images = static_cast<int64_t>(split_.training.size());
  return (images + settings_.batch_size - 1) / settings_.batch_size;
}

bool Trainer::stopped_early() const {
  // Follows from the records alone, so a checkpoint holds no state of the rule.
  EarlyStopping rule(settings_.patience, settings_.min_delta);
  for (const EpochRecord& epoch : epochs_) {
    rule.Observe(epoch.validation_loss);
    if (rule.should_stop()) return true;
  }
  return false;
}

int64_t Trainer::best_epoch() const {
  if (split_.validation.empty()) return static_cast<int64_t>(epochs_.size());
  // Of equal losses the first one counts.
  const auto best =
      std::min_element(epochs_.begin(), epochs_.end(),
                       [](const EpochRecord& a, const EpochRecord& b) {
                         return a.validation_loss < b.validation_loss;
                       });
  return best == epochs_.end() ? 0 : best - epochs_.begin() + 1;
}

StateDict Trainer::BestParameters() const {
  const c10::StreamGuard on_stream(stream_);
  return parameters_.Unflatten(best_values_);
}

// The order and the flips of an epoch depend on its number alone, so that a
// resumed epoch goes on where it was.
void Trainer::StartEpoch() {
  step_ = 0;
  epoch_seconds_ = 0;
  sums_.zero_();
  if (settings_.shuffle_on_device) {
    ShuffleOnDevice();
  } else {
    ShuffleOnHost();
  }
}

void Trainer::ShuffleOnDevice() {
  SeedGenerator(RandomStream::kShuffle, epochs_.size());
  // Sorts by random keys. There are 2^63 of them, so that two equal ones are as
  // good as impossible.
  const at::Tensor keys = at::empty_like(training_).random_(generator_);
  order_ = training_.index_select(0, keys.argsort());
  if (!settings_.horizontal_flips) return;
  SeedGenerator(RandomStream::kFlips, epochs_.size());
  flips_ = at::empty_like(training_, at::kBool).bernoulli_(0.5, generator_);
}

void Trainer::ShuffleOnHost() {
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

void Trainer::SeedGenerator(RandomStream stream, uint64_t counter) {
  const uint64_t key = KeyedGenerator(stream, settings_.seed, counter)();
  // LibTorch asks the callers of a generator to hold its lock.
  const std::lock_guard<std::mutex> lock(generator_.mutex());
  generator_.set_current_seed(key);
}

// Fills the step's buffers with `count` images of the epoch's order. A recorded
// step reads these buffers, so all is copied into them.
void Trainer::LoadBatch(int64_t begin, int64_t count) {
  const at::Tensor indices = order_.narrow(0, begin, count);
  at::Tensor images = data_->Pixels(indices);
  if (flips_.defined()) {
    images = at::where(flips_.narrow(0, begin, count).view({-1, 1, 1, 1}),
                       images.flip(3), images);
  }
  batch_.images.narrow(0, 0, count).copy_(images);
  batch_.labels.narrow(0, 0, count).copy_(data_->Labels(indices));
  SeedGenerator(RandomStream::kStep, steps_done());
  dropout_.Draw(count, generator_);
  if (batch_.start.defined()) {
    batch_.start.narrow(0, 0, count).uniform_(-1, 1, generator_);
  }
}

TrainingBatch Trainer::FirstOfBatch(int64_t count) const {
  TrainingBatch batch;
  batch.images = batch_.images.narrow(0, 0, count);
  batch.labels = batch_.labels.narrow(0, 0, count);
  batch.dropout = dropout_.Factors(count);
  if (batch_.start.defined()) batch.start = batch_.start.narrow(0, 0, count);
  return batch;
}

// The part of a step that can be recorded and replayed: it draws nothing and
// reads nothing back.
void Trainer::Learn(const TrainingBatch& batch) {
  at::Tensor gradients = parameters_.gradients();
  // backward() adds to what is there.
  gradients.zero_();
  const Objective::Value value = objective_.Of(parameters_.leaves(), batch);
  value.loss.backward();
  optimizer_.Step(gradients, rate_);
  sums_[0].add_(value.loss.detach(), static_cast<double>(batch.labels.size(0)));
  sums_[1].add_(value.correct);
}

void Trainer::Step() {
  const int64_t begin = step_ * settings_.batch_size;
  const int64_t count = std::min(settings_.batch_size, order_.size(0) - begin);
  LoadBatch(begin, count);
  rate_.fill_(LearningRateAt(settings_, steps_done(),
                             settings_.max_epochs * steps_per_epoch()));
  const TrainingBatch batch = FirstOfBatch(count);
  // The last batch of an epoch may be smaller, and a recorded step has one
  // shape.
  if (count == settings_.batch_size) {
    runner_->Run([&] { Learn(batch); });
  } else {
    Learn(batch);
  }
  ++step_;
}

// Adversarial examples start at the same points in every epoch, so that the
// epochs' losses can be compared.
void Trainer::Validate() {
  sums_.narrow(0, 2, 2).zero_();
  if (validation_.size(0) == 0) return;
  const at::NoGradGuard no_grad;
  SeedGenerator(RandomStream::kValidation, 0);
  for (const at::Tensor& indices : validation_.split(kValidationBatch)) {
    TrainingBatch batch;
    batch.images = data_->Pixels(indices);
    batch.labels = data_->Labels(indices);
    if (batch_.start.defined()) {
      batch.start = at::empty_like(batch.images).uniform_(-1, 1, generator_);
    }
    const Objective::Value value = objective_.Of(parameters_.leaves(), batch);
    sums_[2].add_(value.loss, static_cast<double>(indices.size(0)));
    sums_[3].add_(value.correct);
  }
}

Trainer::Sums Trainer::ReadSums() const {
  const at::Tensor sums = sums_.to(at::kCPU);
  const double* values = sums.data_ptr<double>();
  return {values[0], values[1], values[2], values[3]};
}

EpochProgress Trainer::Progress(const Sums& sums) const {
  EpochProgress progress;
  progress.epoch = static_cast<int64_t>(epochs_.size()) + 1;
  progress.images_total = order_.size(0);
  progress.images =
      std::min(step_ * settings_.batch_size, progress.images_total);
  const double images =
      static_cast<double>(std::max<int64_t>(progress.images, 1));
  progress.training_loss = sums.training_loss / images;
  progress.training_accuracy = sums.training_correct / images;
  return progress;
}

absl::Status Trainer::Report(const Sums& sums,
                             const ProgressCallback& progress) {
  const EpochProgress now = Progress(sums);
  if (!(now.training_loss <= settings_.max_loss)) {  // also true for NaN
    return absl::OutOfRangeError(absl::StrCat(
        "training diverged: the loss is ", now.training_loss, " in epoch ",
        now.epoch, " after ", now.images, " images, above max_loss ",
        settings_.max_loss, "; a lower learning_rate than ",
        settings_.learning_rate, " may help"));
  }
  if (progress && !progress(now)) {
    return absl::CancelledError("training was asked to stop");
  }
  return absl::OkStatus();
}

absl::StatusOr<EpochRecord> Trainer::RunRestOfEpoch(
    const ProgressCallback& progress) {
  Stopwatch total(&seconds_);
  Stopwatch epoch(&epoch_seconds_);
  // `progress` may write a checkpoint, which must hold the time up to there.
  const auto report = [&](const Sums& sums) {
    total.Lap();
    epoch.Lap();
    return Report(sums, progress);
  };
  const int64_t steps = steps_per_epoch();
  while (step_ < steps) {
    Step();
    // The report on the last step comes with the validation below.
    if (!device_.is_cpu() || step_ % kStepsPerReport != 0 || step_ == steps) {
      continue;
    }
    if (absl::Status status = report(ReadSums()); !status.ok()) return status;
  }
  // A checkpoint of the report below has all steps done. The run that continues
  // from it comes here at once and validates again.
  Validate();
  const Sums sums = ReadSums();
  if (absl::Status status = report(sums); !status.ok()) return status;

  const EpochProgress end = Progress(sums);
  EpochRecord record;
  record.training_loss = end.training_loss;
  record.training_accuracy = end.training_accuracy;
  if (const double images = static_cast<double>(validation_.size(0));
      images > 0) {
    record.validation_loss = sums.validation_loss / images;
    record.validation_accuracy = sums.validation_correct / images;
  }
  // Such an epoch must not enter `epochs_`: comparisons with NaN would spoil
  // best_epoch().
  if (!std::isfinite(record.validation_loss)) {
    return absl::OutOfRangeError(
        absl::StrCat("training diverged: the validation loss of epoch ",
                     end.epoch, " is ", record.validation_loss));
  }
  record.seconds = epoch_seconds_;
  epochs_.push_back(record);
  // The record is in `epochs_` already, so this asks whether the new epoch is
  // the best one.
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
  const c10::StreamGuard on_stream(stream_);
  const at::AutoGradMode enable_grad(true);
  try {
    return RunRestOfEpoch(progress);
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat("LibTorch failed in training: ",
                                            error.what_without_backtrace()));
  }
}

}  // namespace adv
