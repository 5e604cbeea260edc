// advtrain: trains models and publishes them into a model store.

#include <ATen/Parallel.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstdio>
#include <optional>
#include <string>

#include "engine/nn/device.h"
#include "model_store/trainer/inputs.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/reporter.h"
#include "model_store/trainer/stop_signal.h"
#include "model_store/trainer/train_all.h"

namespace adv {
namespace {

constexpr int kBadUsage = 2;

int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "advtrain: %s\n", std::string(status.message()).c_str());
  return kBadUsage;
}

int Main(int argc, const char* const* argv) {
  int exit_code = 0;
  const std::optional<TrainerOptions> options =
      ParseTrainerOptions(argc, argv, &exit_code);
  if (!options) return exit_code;
  at::set_num_threads(options->threads > 0 ? options->threads : UsableCores());
  Reporter reporter(stderr);
  if (!options->metrics_listen.empty()) {
    const absl::StatusOr<std::string> address =
        reporter.metrics().Serve(options->metrics_listen);
    if (!address.ok()) return Refuse(address.status());
    reporter.Note("advtrain",
                  absl::StrCat("metrics on http://", *address, "/metrics"));
  }
  const absl::StatusOr<TrainingInputs> inputs =
      PrepareInputs(*options, &reporter);
  if (!inputs.ok()) return Refuse(inputs.status());
  CatchStopSignals();
  return inputs->tasks.empty() ? 0 : TrainAll(*options, *inputs, &reporter);
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) { return adv::Main(argc, argv); }
