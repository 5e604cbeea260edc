// advtrain: trains models and publishes them into a model store.

#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "engine/data/cifar10.h"
#include "engine/nn/device.h"
#include "model_store/durable_file.h"
#include "model_store/model_store.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/stop_signal.h"
#include "model_store/trainer/train_model.h"

namespace adv {
namespace {

constexpr int kBadUsage = 2;
// Far above a version's files; a store with less room is not started on.
constexpr uint64_t kPublishBytes = 16 << 20;

// The recipes of the models asked for, once each.
absl::StatusOr<std::vector<ImbalanceRecipe>> ParseModels(
    const TrainerOptions& options) {
  const std::vector<std::string>& classes = Cifar10ClassNames();
  std::vector<std::string> names = options.models;
  if (std::count(names.begin(), names.end(), "all") != 0) {
    names = ImbalanceRecipeNames(classes);
  }
  std::vector<ImbalanceRecipe> recipes;
  for (const std::string& name : names) {
    absl::StatusOr<ImbalanceRecipe> recipe =
        ParseImbalanceRecipe(name, classes, options.settings.seed);
    if (!recipe.ok()) return recipe.status();
    const bool twice = std::any_of(
        recipes.begin(), recipes.end(),
        [&](const ImbalanceRecipe& other) { return other.name == name; });
    if (!twice) recipes.push_back(*std::move(recipe));
  }
  return recipes;
}

// Removes what is published already, unless it was forced.
absl::Status SkipPublished(const TrainerOptions& options,
                           std::vector<ImbalanceRecipe>* recipes) {
  const ModelStore store(options.store);
  std::vector<ImbalanceRecipe> rest;
  for (const ImbalanceRecipe& recipe : *recipes) {
    const absl::StatusOr<uint64_t> version = store.LatestVersion(recipe.name);
    if (!version.ok() && !absl::IsNotFound(version.status())) {
      return version.status();
    }
    if (version.ok() && !options.force) {
      std::fprintf(stderr,
                   "%s  is published already as version %llu; --force trains "
                   "a new one\n",
                   recipe.name.c_str(),
                   static_cast<unsigned long long>(*version));
    } else {
      rest.push_back(recipe);
    }
  }
  *recipes = std::move(rest);
  return absl::OkStatus();
}

// Sees that a run can begin and be published.
absl::Status CheckFolders(const TrainerOptions& options) {
  absl::Status status = ModelStore(options.store).CheckWritable(kPublishBytes);
  if (status.ok()) status = MakeFolder(options.checkpoint_dir);
  if (!status.ok()) return status;
  const std::string probe = absl::StrCat(options.checkpoint_dir, "/.probe");
  status = WriteFileDurably(probe, "probe");
  std::remove(probe.c_str());
  return status;
}

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
    data.digest = DigestRecords(data.images, data.labels);
  }
  inputs->data = TrainingData::Upload(inputs->training, inputs->device);
  return absl::OkStatus();
}

absl::Status ReadInitial(const TrainerOptions& options,
                         TrainingInputs* inputs) {
  if (options.init_from.empty()) return absl::OkStatus();
  absl::StatusOr<InitialWeightsFile> file =
      ReadInitialWeightsFile(options.init_from, inputs->layers);
  if (!file.ok()) return file.status();
  for (const std::string& line : Describe(*file)) {
    std::fprintf(stderr, "advtrain: %s\n", line.c_str());
  }
  inputs->initial = *std::move(file);
  return absl::OkStatus();
}

// Finds everything that is wrong with a run before it starts.
absl::StatusOr<TrainingInputs> Prepare(const TrainerOptions& options) {
  TrainingInputs inputs;
  if (absl::Status s = options.settings.Validate(); !s.ok()) return s;
  absl::StatusOr<std::vector<Layer>> layers = VggLayers(options.architecture);
  if (!layers.ok()) return layers.status();
  absl::StatusOr<std::vector<ImbalanceRecipe>> recipes = ParseModels(options);
  if (!recipes.ok()) return recipes.status();
  const absl::StatusOr<at::Device> device = ParseDevice(options.device);
  if (!device.ok()) return device.status();
  if (absl::Status s = SkipPublished(options, &*recipes); !s.ok()) return s;
  inputs.layers = *std::move(layers);
  inputs.device = *device;
  inputs.recipes = *std::move(recipes);
  if (inputs.recipes.empty()) return inputs;
  if (absl::Status s = ReadInitial(options, &inputs); !s.ok()) return s;
  if (absl::Status s = CheckFolders(options); !s.ok()) return s;
  if (absl::Status s = ReadData(options, &inputs); !s.ok()) return s;
  return inputs;
}

// TrainModel, with what LibTorch throws turned into a status.
absl::Status TryToTrain(const TrainerOptions& options,
                        const TrainingInputs& inputs,
                        const ImbalanceRecipe& recipe) {
  try {
    return TrainModel(options, inputs, recipe);
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory");
  }
}

// One model's failure leaves the others running.
int TrainAll(const TrainerOptions& options, const TrainingInputs& inputs) {
  int exit_code = 0;
  for (const ImbalanceRecipe& recipe : inputs.recipes) {
    const absl::Status status = TryToTrain(options, inputs, recipe);
    if (absl::IsCancelled(status)) return 128 + StopSignal();
    if (!status.ok()) {
      std::fprintf(stderr, "%s  failed: %s\n", recipe.name.c_str(),
                   std::string(status.message()).c_str());
      exit_code = 1;
    }
  }
  return exit_code;
}

int Main(int argc, const char* const* argv) {
  int exit_code = 0;
  const std::optional<TrainerOptions> options =
      ParseTrainerOptions(argc, argv, &exit_code);
  if (!options) return exit_code;
  at::set_num_threads(options->threads > 0 ? options->threads : UsableCores());
  const absl::StatusOr<TrainingInputs> inputs = Prepare(*options);
  if (!inputs.ok()) {
    std::fprintf(stderr, "advtrain: %s\n",
                 std::string(inputs.status().message()).c_str());
    return kBadUsage;
  }
  CatchStopSignals();
  return TrainAll(*options, *inputs);
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) { return adv::Main(argc, argv); }
