#include "model_store/trainer/inputs.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "engine/data/cifar10.h"
#include "engine/data/imbalance.h"
#include "engine/nn/device.h"
#include "model_store/durable_file.h"
#include "model_store/folder_lock.h"
#include "model_store/model_store.h"
#include "model_store/trainer/memory.h"

namespace adv {
namespace {

constexpr int64_t kTrainingImages = 50000;  // of CIFAR-10
constexpr int64_t kTestImages = 10000;
// The size of a manifest, or of a checkpoint without its weights; far more than
// they take.
constexpr uint64_t kRecordBytes = 1 << 20;

// The models that the options ask for, once each.
absl::StatusOr<std::vector<ModelTask>> ListTasks(
    const TrainerOptions& options) {
  const std::vector<std::string>& classes = Cifar10ClassNames();
  std::vector<std::string> recipes = options.models;
  if (std::count(recipes.begin(), recipes.end(), "all") != 0) {
    recipes = ImbalanceRecipeNames(classes);
  }
  // The suffix may make a good name too long, so the whole name is checked.
  const std::string suffix = NameSuffix(options);
  std::vector<ModelTask> tasks;
  for (const std::string& name : recipes) {
    absl::StatusOr<ImbalanceRecipe> recipe =
        ParseImbalanceRecipe(name, classes, options.settings.seed);
    if (!recipe.ok()) return recipe.status();
    ModelTask task{name + suffix, *std::move(recipe)};
    if (!IsValidModelName(task.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("model name \"", task.name,
                       "\" must be 1 to 64 lower-case letters, "
                       "digits and dashes; see --name-suffix"));
    }
    const bool twice = std::any_of(
        tasks.begin(), tasks.end(),
        [&](const ModelTask& other) { return other.name == task.name; });
    if (!twice) tasks.push_back(std::move(task));
  }
  return tasks;
}

// Removes the models that are published already, unless --force is given.
absl::Status SkipPublished(const TrainerOptions& options, Reporter* reporter,
                           std::vector<ModelTask>* tasks) {
  const ModelStore store(options.store);
  std::vector<ModelTask> rest;
  for (ModelTask& task : *tasks) {
    const absl::StatusOr<uint64_t> version = store.LatestVersion(task.name);
    if (!version.ok() && !absl::IsNotFound(version.status())) {
      return version.status();
    }
    if (version.ok() && !options.force) {
      reporter->SetState(task.name, ModelState::kPublished,
                         absl::StrCat("is published already as version ",
                                      *version, "; --force trains a new one"));
      continue;
    }
    task.known_version = version.value_or(0);
    rest.push_back(std::move(task));
  }
  *tasks = std::move(rest);
  return absl::OkStatus();
}

// Checks that checkpoints can be written and leases taken.
absl::Status CheckCheckpointFolder(const std::string& folder, uint64_t bytes) {
  if (absl::Status s = MakeFolder(folder); !s.ok()) return s;
  // Other workers may make the same check with the same file.
  const absl::StatusOr<FolderLock> lock = FolderLock::Acquire(folder);
  if (!lock.ok()) return lock.status();
  const std::string probe = absl::StrCat(folder, "/.probe");
  // A real write, so that it meets the errors that a checkpoint would meet.
  absl::Status status = WriteFileDurably(probe, std::string(bytes, '\0'));
  std::remove(probe.c_str());
  return status;
}

// Checks that there is space for all that the run will make.
absl::Status CheckFolders(const TrainerOptions& options,
                          const TrainingInputs& inputs) {
  const uint64_t weights =
      sizeof(float) * static_cast<uint64_t>(CountParameters(inputs.layers));
  const uint64_t models = inputs.tasks.size();
  if (absl::Status s = ModelStore(options.store)
                           .CheckWritable(models * (weights + kRecordBytes));
      !s.ok()) {
    return s;
  }
  // A checkpoint holds values, mean squares and best values. Replacing one
  // needs space for the old and the new file.
  return CheckCheckpointFolder(
      options.checkpoint_dir,
      (3 * weights + kRecordBytes) * (inputs.models_at_once + 1));
}

// RESOURCE_EXHAUSTED if the run would not fit, before it takes the memory.
absl::Status CheckMemoryOf(const TrainerOptions& options,
                           const TrainingInputs& inputs) {
  MemoryPlan plan;
  plan.layers = inputs.layers;
  // Fewer training images make a smaller batch, but all data are read.
  const int64_t training =
      options.train_images > 0 ? options.train_images : kTrainingImages;
  plan.images = kTrainingImages + kTestImages;
  plan.batch_size = std::min(training, options.settings.batch_size);
  plan.models = inputs.models_at_once;
  return CheckMemory(EstimateMemory(plan), inputs.device);
}

// Reads the weights of --init-from, if it is given, and tells what it loads.
absl::Status ReadInitial(const TrainerOptions& options, Reporter* reporter,
                         TrainingInputs* inputs) {
  if (options.init_from.empty()) return absl::OkStatus();
  absl::StatusOr<InitialWeightsFile> file =
      ReadInitialWeightsFile(options.init_from, inputs->layers);
  if (!file.ok()) return file.status();
  for (const std::string& line : Describe(*file)) {
    reporter->Note("advtrain", line);
  }
  inputs->initial = *std::move(file);
  return absl::OkStatus();
}

// Reads and uploads all data sets; the slowest part of the start.
absl::Status ReadData(const TrainerOptions& options, TrainingInputs* inputs) {
  absl::StatusOr<Dataset> training =
      ReadCifar10(options.data, Cifar10Split::kTrain);
  if (!training.ok()) return training.status();
  absl::StatusOr<Dataset> test = ReadCifar10(options.data, Cifar10Split::kTest);
  if (!test.ok()) return test.status();
  for (const std::string& path : options.also_test) {
    absl::StatusOr<Dataset> other = ReadCifar10File(path);
    if (!other.ok()) return other.status();
    inputs->other_tests.push_back(*std::move(other));
  }
  inputs->training = *std::move(training);
  inputs->test = *std::move(test);
  if (options.train_images > 0) {
    Dataset& data = inputs->training;
    data.images = data.images.narrow(0, 0, options.train_images);
    data.labels = data.labels.narrow(0, 0, options.train_images);
    // The digest is that of the part, so that no checkpoint of another part
    // fits.
    data.digest = DigestRecords(data.images, data.labels);
  }
  inputs->uploaded = TrainingData::Upload(inputs->training, inputs->device);
  return absl::OkStatus();
}

// Sets how many models train at once, and with how many threads each. The
// number of threads follows from the flags alone, because a run that continues
// with fewer models left must compute with the same number as before.
void DivideCores(const TrainerOptions& options, TrainingInputs* inputs) {
  const auto models = static_cast<int>(inputs->tasks.size());
  const int threads = options.threads > 0 ? options.threads : UsableCores();
  const int wanted = options.parallel > 0      ? options.parallel
                     : inputs->device.is_cpu() ? 1
                                               : std::max(models, 1);
  inputs->threads_per_model = std::max(1, threads / wanted);
  inputs->models_at_once = std::clamp(models, 1, wanted);
}

}  // namespace

absl::StatusOr<TrainingInputs> PrepareInputs(const TrainerOptions& options,
                                             Reporter* reporter) {
  TrainingInputs inputs;
  if (absl::Status s = options.settings.Validate(); !s.ok()) return s;
  absl::StatusOr<std::vector<Layer>> layers = VggLayers(options.architecture);
  if (!layers.ok()) return layers.status();
  absl::StatusOr<std::vector<ModelTask>> tasks = ListTasks(options);
  if (!tasks.ok()) return tasks.status();
  const absl::StatusOr<at::Device> device = ParseDevice(options.device);
  if (!device.ok()) return device.status();
  if (absl::Status s = SkipPublished(options, reporter, &*tasks); !s.ok()) {
    return s;
  }
  inputs.layers = *std::move(layers);
  inputs.device = *device;
  inputs.settings = options.settings;
  inputs.settings.shuffle_on_device =
      options.shuffle_on_device.value_or(!device->is_cpu());
  inputs.tasks = *std::move(tasks);
  // Nothing is left to do, so the data need not even be there.
  if (inputs.tasks.empty()) return inputs;
  DivideCores(options, &inputs);
  if (absl::Status s = ReadInitial(options, reporter, &inputs); !s.ok()) {
    return s;
  }
  // The cheap checks come first; reading the data takes longest.
  if (absl::Status s = CheckFolders(options, inputs); !s.ok()) return s;
  if (absl::Status s = CheckMemoryOf(options, inputs); !s.ok()) return s;
  if (absl::Status s = ReadData(options, &inputs); !s.ok()) return s;
  return inputs;
}

}  // namespace adv
