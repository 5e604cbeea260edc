#ifndef ADV_MODEL_STORE_TRAINER_OPTIONS_H_
#define ADV_MODEL_STORE_TRAINER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/nn/safetensors.h"
#include "engine/training/settings.h"

namespace adv {

// What advtrain was told; the help text of each flag says what it means.
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

// The options, or nothing after help, version or an error has been printed;
// `exit_code` is then what the program should return. Ranges of the training
// settings are left to TrainingSettings::Validate.
std::optional<TrainerOptions> ParseTrainerOptions(int argc,
                                                  const char* const* argv,
                                                  int* exit_code);

// What follows the recipe in a model's published name: "-relu-each-pgd" says
// in what a run differs from the thesis's network and training. The suffix of
// the options, after a dash, takes its place; "none" gives the plain names.
std::string NameSuffix(const TrainerOptions& options);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_OPTIONS_H_
