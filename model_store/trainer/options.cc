#include "model_store/trainer/options.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>

#include "command_line/empty_value.h"
#include "command_line/flags.h"
#include "command_line/list.h"
#include "engine/nn/vgg.h"
#include "net/address.h"

namespace adv {
namespace {

// Flags that override the protocol's settings (or those of --quick). One that
// is not given holds nothing, so that the setting stays as it is.
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
  std::optional<double> max_loss;
  // Perturbation sizes in pixels of [0, 1].
  AdversarialTraining::Method adversarial = AdversarialTraining::Method::kNone;
  std::optional<std::string> adversarial_epsilon;
  std::optional<std::string> adversarial_step_size;
  std::optional<int64_t> adversarial_steps;
  std::optional<double> clean_weight;
};

// Reads "0.6:0.3,0.85:0.1" or "none". False for any other text.
bool ParseDrops(const std::string& text, std::vector<LearningRateDrop>* drops) {
  drops->clear();
  if (text == "none") return true;
  const auto parts = SplitList(text);
  if (!parts.ok()) return false;
  for (const std::string& part : *parts) {
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

// A check in CLI11's form: the fault in words, or an empty text.
std::string CheckDrops(const std::string& text) {
  std::vector<LearningRateDrop> ignored;
  if (ParseDrops(text, &ignored)) return "";
  return "must be none or FRACTION:FACTOR,... such as 0.6:0.3,0.85:0.1";
}

// Reads "8/255" in grey levels or "0.031" in pixels of [0, 1]. Nothing for any
// other text.
std::optional<double> ParsePixels(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  double value = 0;
  if (parts.size() > 2 || (parts.size() == 2 && parts[1] != "255") ||
      !absl::SimpleAtod(parts[0], &value) || !std::isfinite(value)) {
    return std::nullopt;
  }
  return parts.size() == 2 ? value / 255 : value;
}

std::string CheckPixels(const std::string& text) {
  const std::optional<double> value = ParsePixels(text);
  if (value && *value > 0 && *value <= 1) return "";
  return absl::StrCat("'", text,
                      "' must be grey levels as 8/255 or pixel "
                      "units as 0.031, above 0 to 1");
}

// CLI11 has checked the sizes by now, so ParsePixels reads every one of them.
AdversarialTraining ResolveAdversarial(const SettingFlags& flags) {
  using Method = AdversarialTraining::Method;
  AdversarialTraining training =
      AdversarialTraining::Default(flags.adversarial);
  if (flags.adversarial_epsilon) {
    training.epsilon = *ParsePixels(*flags.adversarial_epsilon);
    // FGSM's default step follows epsilon. An explicit step size, below, wins.
    if (flags.adversarial == Method::kFgsm) {
      training.step_size = 1.25 * training.epsilon;
    }
  }
  if (flags.adversarial_step_size) {
    training.step_size = *ParsePixels(*flags.adversarial_step_size);
  }
  training.steps = flags.adversarial_steps.value_or(training.steps);
  training.clean_weight = flags.clean_weight.value_or(training.clean_weight);
  return training;
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
  settings.max_loss = flags.max_loss.value_or(settings.max_loss);
  settings.adversarial = ResolveAdversarial(flags);
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
  add("--max-loss", &flags->max_loss,
      "A training loss above it ends a model's run as diverged [100]");
  add("--min-delta", &flags->min_delta,
      "The least fall of the validation loss that counts [1e-4]");
  add("--validation-fraction", &flags->validation_fraction,
      "Share of the training images kept for validation [0.1]");
  // add_flag would set the value to false if the flag is not given.
  app->add_flag_function(
         "--flips,!--no-flips",
         [flags](int64_t count) { flags->flips = count > 0; },
         "Mirror images at random [off]")
      ->group(group);
}

void AddAdversarialFlags(CLI::App* app, SettingFlags* flags) {
  using Method = AdversarialTraining::Method;
  const std::string group = "Adversarial training";
  const std::map<std::string, Method> methods = {{"fgsm", Method::kFgsm},
                                                 {"pgd", Method::kPgd}};
  CLI::Option* const method =
      app->add_option("--adversarial", flags->adversarial,
                      "Train on adversarial examples made anew in each step: "
                      "fgsm (one step, mixed with the clean loss) or pgd")
          ->transform(CLI::CheckedTransformer(methods))
          ->option_text("fgsm|pgd")
          ->group(group);
  const auto add = [&](const char* name, auto* value, const char* help) {
    // Without --adversarial these flags would have no effect and give no error.
    return app->add_option(name, *value, help)->needs(method)->group(group);
  };
  const CLI::Validator size(CheckPixels, "SIZE");
  add("--adversarial-epsilon", &flags->adversarial_epsilon,
      "L-infinity radius, as 8/255 or 0.031 [8/255]")
      ->check(size);
  add("--adversarial-steps", &flags->adversarial_steps,
      "Steps of pgd, 1 to 1000 [10]");
  add("--adversarial-step-size", &flags->adversarial_step_size,
      "Of each step, as 2/255 [fgsm: 1.25 epsilon, pgd: 2/255]")
      ->check(size);
  add("--clean-weight", &flags->clean_weight,
      "Share of the clean images' loss, from 0 to below 1 [fgsm: 0.5, pgd: 0]");
}

// The fault of an address; empty if there is none.
std::string MetricsAddressFault(const std::string& text) {
  AddressRules rules;
  rules.may_be_unix = false;
  return std::string(ParseAddress(text, rules).status().message());
}

void AddSharingFlags(CLI::App* app, TrainerOptions* options,
                     int* metrics_port) {
  const std::string group = "Several models, several workers";
  const auto add = [&](const char* name, auto* value, const char* help) {
    return app->add_option(name, *value, help)->group(group);
  };
  add("--parallel", &options->parallel,
      "Models trained at once, which share the threads or the GPU [1 on a CPU, "
      "otherwise all]")
      ->check(CLI::Range(1, 1024));
  add("--lease-seconds", &options->lease_seconds,
      "A model whose worker gave no sign of life for so long is taken over by "
      "another worker with the same --checkpoint-dir")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 86400.0));
  app->add_flag("--no-wait", options->no_wait,
                "End when only such models are left as other workers train; "
                "otherwise wait for them, or take over")
      ->group(group);
  CLI::Option* const listen =
      add("--metrics-listen", &options->metrics_listen,
          "HOST:PORT of /metrics for Prometheus; port 0 picks a free one; off: "
          "none [off]")
          ->check([](const std::string& text) {
            return text == "off" ? "" : MetricsAddressFault(text);
          });
  add("--metrics-port", metrics_port,
      "The same on loopback by its port alone; 0 switches it off")
      ->check(CLI::Range(0, 65535))
      ->excludes(listen);
}

// What is trained, on which data, and where it is published.
void AddInputFlags(CLI::App* app, TrainerOptions* options) {
  AddList(app, "--models", &options->models,
          "Models to train, separated by commas: balanced, no-CLASS, "
          "only-CLASS, or all")
      ->required()
      ->allow_extra_args(false);
  app->add_option("--data", options->data,
                  "Folder of CIFAR-10 in the official binary layout")
      ->required();
  app->add_option("--store", options->store,
                  "Model store to publish into; created if need be")
      ->required();
  app->add_option("--name-suffix", options->name_suffix,
                  "Publish under RECIPE-SUFFIX; none: under the recipe alone "
                  "[the architecture unless it is table51, then fgsm or pgd]");
  app->add_option("--dataset-name", options->dataset_name,
                  "What the manifests call the data")
      ->capture_default_str();
  app->add_option("--also-test", options->also_test,
                  "File of further labelled images in the official layout, "
                  "whose result goes into the manifest too; may be repeated")
      ->allow_extra_args(false);
}

// How the run goes on: its checkpoints, and what it computes on.
void AddRunFlags(CLI::App* app, TrainerOptions* options) {
  app->add_option("--checkpoint-dir", options->checkpoint_dir,
                  "Where unfinished runs are kept, and who trains what; the "
                  "same for all workers of a store [STORE/.training]");
  app->add_option("--checkpoint-seconds", options->checkpoint_seconds,
                  "Seconds between checkpoints, at most lost by a kill; 0 "
                  "writes one every ten steps")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  app->add_option("--device", options->device, "cpu, cuda, cuda:N or auto")
      ->capture_default_str();
  app->add_option("--threads", options->threads,
                  "Threads on the CPU, of all models trained at once together "
                  "[all usable cores]")
      ->check(CLI::Range(1, 1024));
  app->add_flag_function(
      "--shuffle-on-device,!--shuffle-on-host",
      [options](int64_t count) { options->shuffle_on_device = count > 0; },
      "Draw each epoch's order and flips on the device, which then waits for "
      "nothing, or on the host, where they are the same for every device "
      "[on the device, but for a CPU on the host]");
}

// What the models are made of, and whether they are trained again.
void AddModelFlags(CLI::App* app, TrainerOptions* options) {
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
  // Not given; 0 is a choice, which switches the metrics off.
  int metrics_port = -1;
  CLI::App app(
      "Trains image classifiers on CIFAR-10, with or without a class "
      "imbalance, "
      "and publishes them into a model store. Stopped at any moment, the same "
      "command continues the run.",
      "advtrain");
  app.set_version_flag("--version", "advtrain " ADV_VERSION);
  // The order is that of --help.
  AddInputFlags(&app, &options);
  AddRunFlags(&app, &options);
  AddModelFlags(&app, &options);
  AddSharingFlags(&app, &options, &metrics_port);
  AddSettingFlags(&app, &flags);
  AddAdversarialFlags(&app, &flags);
  // CLI11 would take an empty value for zero, or take the next word for it.
  if (auto status = CheckNoEmptyValue(argc, argv); !status.ok()) {
    std::cerr << "advtrain: " << status.message() << std::endl;
    *exit_code = kBadUsage;
    return std::nullopt;
  }
  try {
    ParseFlags(&app, "ADV_", "Options", argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version come here, too, and are no bad usage.
    *exit_code = app.exit(error) == 0 ? 0 : kBadUsage;
    return std::nullopt;
  }
  options.settings = Resolve(flags);
  if (options.checkpoint_dir.empty()) {
    options.checkpoint_dir = absl::StrCat(options.store, "/.training");
  }
  if (options.metrics_listen == "off") options.metrics_listen.clear();
  if (metrics_port >= 0) {
    options.metrics_listen =
        metrics_port == 0 ? "" : absl::StrCat("127.0.0.1:", metrics_port);
  }
  return options;
}

std::string NameSuffix(const TrainerOptions& options) {
  if (options.name_suffix) {
    return *options.name_suffix == "none"
               ? ""
               : absl::StrCat("-", *options.name_suffix);
  }
  std::string suffix;
  if (options.architecture != TrainerOptions().architecture) {
    // Names of models have dashes and no underscores.
    suffix = absl::StrCat(
        "-", absl::StrReplaceAll(options.architecture, {{"_", "-"}}));
  }
  switch (options.settings.adversarial.method) {
    case AdversarialTraining::Method::kNone:
      return suffix;
    case AdversarialTraining::Method::kFgsm:
      return suffix + "-fgsm";
    case AdversarialTraining::Method::kPgd:
      return suffix + "-pgd";
  }
  return suffix;
}

}  // namespace adv
