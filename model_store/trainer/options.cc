#include "model_store/trainer/options.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <CLI/CLI.hpp>

#include "engine/nn/vgg.h"

namespace adv {
namespace {

constexpr int kBadUsage = 2;

// Flags that override what the protocol (or --quick) sets.
struct SettingFlags {
  bool quick = false;
  std::optional<uint64_t> seed;
  std::optional<int64_t> epochs;
  std::optional<int64_t> batch_size;
  std::optional<double> learning_rate;
  std::optional<double> decay;
  std::optional<int64_t> patience;
  std::optional<double> min_delta;
  std::optional<double> validation_fraction;
  std::optional<bool> flips;
  std::optional<std::string> drops;
};

// "0.6:0.3,0.85:0.1" or "none".
bool ParseDrops(const std::string& text, std::vector<LearningRateDrop>* drops) {
  drops->clear();
  if (text == "none") return true;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> pair = absl::StrSplit(part, ':');
    LearningRateDrop drop;
    if (pair.size() != 2 || !absl::SimpleAtod(pair[0], &drop.after_fraction) ||
        !absl::SimpleAtod(pair[1], &drop.factor)) {
      return false;
    }
    drops->push_back(drop);
  }
  return true;
}

std::string CheckDrops(const std::string& text) {
  std::vector<LearningRateDrop> ignored;
  if (ParseDrops(text, &ignored)) return "";
  return "must be none or FRACTION:FACTOR,... such as 0.6:0.3,0.85:0.1";
}

TrainingSettings Resolve(const SettingFlags& flags) {
  TrainingSettings settings =
      flags.quick ? TrainingSettings::Quick() : TrainingSettings();
  settings.seed = flags.seed.value_or(settings.seed);
  settings.max_epochs = flags.epochs.value_or(settings.max_epochs);
  settings.batch_size = flags.batch_size.value_or(settings.batch_size);
  settings.learning_rate = flags.learning_rate.value_or(settings.learning_rate);
  settings.decay_per_update = flags.decay.value_or(settings.decay_per_update);
  settings.patience = flags.patience.value_or(settings.patience);
  settings.min_delta = flags.min_delta.value_or(settings.min_delta);
  settings.validation_fraction =
      flags.validation_fraction.value_or(settings.validation_fraction);
  settings.horizontal_flips = flags.flips.value_or(settings.horizontal_flips);
  if (flags.drops) ParseDrops(*flags.drops, &settings.learning_rate_drops);
  return settings;
}

void AddSettingFlags(CLI::App* app, SettingFlags* flags) {
  const std::string group = "Protocol (defaults: the thesis's)";
  app->add_flag("--quick", flags->quick,
                "A faster protocol, 80 % in 25 minutes on two cores: rate "
                "5e-4 without decay, dropped to .3 and .1, batch 64, flips, 14 "
                "epochs, no early stopping. Flags below override it")
      ->group(group);
  const auto add = [&](const char* name, auto* value, const char* help) {
    return app->add_option(name, *value, help)->group(group);
  };
  add("--seed", &flags->seed,
      "Seed of the removed images, the initial weights, the validation split, "
      "shuffling, flips and dropout [1]");
  add("--epochs", &flags->epochs, "At most so many epochs [200]");
  add("--batch-size", &flags->batch_size, "Images per step [32]");
  add("--learning-rate", &flags->learning_rate,
      "RMSProp's step size before any decay [1e-4]");
  add("--decay", &flags->decay,
      "Decay of the rate per update: rate / (1 + decay * updates) [1e-5]");
  add("--lr-drops", &flags->drops,
      "FRACTION:FACTOR,...: from that fraction of the steps on, the rate is "
      "that factor of its start, such as 0.6:0.3,0.85:0.1 [none]")
      ->check(CLI::Validator(CheckDrops, "FRACTION:FACTOR,..."));
  add("--patience", &flags->patience,
      "Epochs without improvement of the validation loss after which training "
      "stops; 0 never stops [10]");
  add("--min-delta", &flags->min_delta,
      "The least fall of the validation loss that counts [1e-4]");
  add("--validation-fraction", &flags->validation_fraction,
      "Share of the training images kept for validation [0.1]");
  // add_flag would set the value to false where the flag is not given.
  app->add_flag_function(
         "--flips,!--no-flips",
         [flags](int64_t count) { flags->flips = count > 0; },
         "Mirror images at random [off]")
      ->group(group);
}

void AddRunFlags(CLI::App* app, TrainerOptions* options) {
  app->add_option("--models", options->models,
                  "Models to train, separated by commas: balanced, no-CLASS, "
                  "only-CLASS, or all")
      ->required()
      ->allow_extra_args(false)
      ->delimiter(',');
  app->add_option("--data", options->data,
                  "Folder of CIFAR-10 in the official binary layout")
      ->required();
  app->add_option("--store", options->store,
                  "Model store to publish into; created if need be")
      ->required();
  app->add_option("--dataset-name", options->dataset_name,
                  "What the manifests call the data")
      ->capture_default_str();
  app->add_option("--also-test", options->also_test,
                  "File of further labelled images in the official layout, "
                  "whose result goes into the manifest too; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--checkpoint-dir", options->checkpoint_dir,
                  "Where unfinished runs are kept [STORE/.training]");
  app->add_option("--checkpoint-seconds", options->checkpoint_seconds,
                  "Seconds between checkpoints, at most lost by a kill; 0 "
                  "writes one every ten steps")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  app->add_option("--device", options->device, "cpu, cuda, cuda:N or auto")
      ->capture_default_str();
  app->add_option("--threads", options->threads,
                  "Threads for one computation on the CPU [all usable cores]")
      ->check(CLI::Range(1, 1024));
  app->add_option("--architecture", options->architecture,
                  absl::StrJoin(VggArchitectures(), " or "))
      ->capture_default_str();
  app->add_option("--init-from", options->init_from,
                  "Start from the weights of this safetensors file: ImageNet's "
                  "of VGG16 under torchvision's names (features.0.weight) or "
                  "a published model's. What fits is loaded, the rest starts "
                  "from the seed")
      ->option_text("FILE.safetensors");
  const std::map<std::string, WeightPrecision> precisions = {
      {"float16", WeightPrecision::kFloat16},
      {"float32", WeightPrecision::kFloat32}};
  app->add_option("--precision", options->precision,
                  "Of the published weights: float16 or float32 [float16]")
      ->transform(CLI::CheckedTransformer(precisions));
  app->add_option("--train-images", options->train_images,
                  "Use only the first so many training images, for trials "
                  "[all]")
      ->check(CLI::Range(1, 50000));
  app->add_flag("--force", options->force,
                "Train a new version of models that are published already");
}

}  // namespace

std::optional<TrainerOptions> ParseTrainerOptions(int argc,
                                                  const char* const* argv,
                                                  int* exit_code) {
  TrainerOptions options;
  SettingFlags flags;
  CLI::App app(
      "Trains image classifiers on CIFAR-10, with or without a class "
      "imbalance, "
      "and publishes them into a model store. Stopped at any moment, the same "
      "command continues the run.",
      "advtrain");
  app.set_version_flag("--version", "advtrain " ADV_VERSION);
  AddRunFlags(&app, &options);
  AddSettingFlags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? 0 : kBadUsage;
    return std::nullopt;
  }
  options.settings = Resolve(flags);
  if (options.checkpoint_dir.empty()) {
    options.checkpoint_dir = absl::StrCat(options.store, "/.training");
  }
  return options;
}

}  // namespace adv
