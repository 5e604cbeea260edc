#ifndef ADV_MODEL_STORE_TRAINER_OPTIONS_H_
#define ADV_MODEL_STORE_TRAINER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/nn/safetensors.h"
#include "engine/training/settings.h"

namespace adv {

// The exit code after bad usage.
inline constexpr int kBadUsage = 2;

// The options of advtrain. The help text of each flag explains it.
struct TrainerOptions {
  std::vector<std::string> models;
  std::string data;
  std::vector<std::string> also_test;  // files of records
  std::string store;
  std::string dataset_name = "cifar10";
  std::string checkpoint_dir;  // never empty after parsing
  std::string device = "auto";
  std::string architecture = "table51";
  std::string init_from;     // a safetensors file; empty: the seed alone
  int threads = 0;           // of all models together; 0: all usable cores
  int parallel = 0;          // models at once; 0: 1 on a CPU, otherwise all
  int64_t train_images = 0;  // 0: all
  double checkpoint_seconds = 30;
  double lease_seconds = 60;
  bool no_wait = false;
  bool force = false;
  std::string metrics_listen;  // HOST:PORT, a valid one; empty: none
  std::optional<std::string> name_suffix;  // of the published names
  std::optional<bool> shuffle_on_device;   // not given: on all but a CPU
  WeightPrecision precision = WeightPrecision::kFloat16;
  TrainingSettings settings;
};

// Returns the options, or nothing after printing help, the version or an error;
// `exit_code` is then the program's exit code. TrainingSettings::Validate
// checks the ranges of the training settings.
std::optional<TrainerOptions> ParseTrainerOptions(int argc,
                                                  const char* const* argv,
                                                  int* exit_code);

// The part of a model's published name after the recipe. "-relu-each-pgd" says
// how a run differs from the thesis's network and training. The suffix in the
// options, after a dash, replaces it; "none" gives the plain names.
std::string NameSuffix(const TrainerOptions& options);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_OPTIONS_H_
