// advtrain: trains models and publishes them into a model store.

#include <ATen/Parallel.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstdio>
#include <optional>
#include <string>

#include "engine/nn/device.h"
#include "model_store/trainer/import_model.h"
#include "model_store/trainer/inputs.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/reporter.h"
#include "model_store/trainer/stop_signal.h"
#include "model_store/trainer/train_all.h"
#include "net/address.h"

namespace adv {
namespace {

// Prints why a run does not begin, and returns the exit code for bad usage.
int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "advtrain: %s\n", std::string(status.message()).c_str());
  return kBadUsage;
}

int Import(int argc, const char* const* argv) {
  ImportOptions options;
  int exit_code = 0;
  if (!ParseImportOptions(argc, argv, &options, &exit_code)) return exit_code;
  const absl::StatusOr<ImportedModel> imported = ImportModel(options);
  if (!imported.ok()) {
    // The command line was right, so this is no bad usage.
    Refuse(imported.status());
    return 1;
  }
  const v1::ModelManifest& manifest = imported->manifest;
  if (manifest.format() == "remote") {
    std::printf("imported %s@%d into %s: %d classes, gives %s\n",
                manifest.name().c_str(), static_cast<int>(manifest.version()),
                options.store.c_str(), manifest.class_names_size(),
                options.decisions ? "decisions" : "scores");
    return 0;
  }
  std::printf(
      "imported %s@%d into %s: %d classes, gives %s, %s in any batch\n",
      manifest.name().c_str(), static_cast<int>(manifest.version()),
      options.store.c_str(), manifest.class_names_size(),
      manifest.access() == v1::MODEL_ACCESS_GRADIENTS ? "gradients" : "scores",
      manifest.exact_in_any_batch() ? "exact" : "not exact");
  return 0;
}

int Main(int argc, const char* const* argv) {
  // A command of its own, with flags of its own behind the word.
  if (argc > 1 && std::string(argv[1]) == "import") {
    return Import(argc - 1, argv + 1);
  }
  int exit_code = 0;
  const std::optional<TrainerOptions> options =
      ParseTrainerOptions(argc, argv, &exit_code);
  if (!options) return exit_code;
  at::set_num_threads(options->threads > 0 ? options->threads : UsableCores());
  Reporter reporter(stderr);
  if (!options->metrics_listen.empty()) {
    const absl::StatusOr<Address> address =
        reporter.metrics().Serve(*ParseAddress(options->metrics_listen));
    if (!address.ok()) return Refuse(address.status());
    reporter.Note("advtrain", absl::StrCat("metrics on http://",
                                           ToString(*address), "/metrics"));
  }
  const absl::StatusOr<TrainingInputs> inputs =
      PrepareInputs(*options, &reporter);
  if (!inputs.ok()) return Refuse(inputs.status());
  // Up to here a signal may end the program at once, as nothing is trained yet.
  CatchStopSignals();
  return inputs->tasks.empty() ? 0 : TrainAll(*options, *inputs, &reporter);
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) { return adv::Main(argc, argv); }
