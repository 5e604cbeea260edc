// Trainer's checkpoints: what is in them and when they fit.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>

#include <utility>

#include "engine/training/checkpoint.h"
#include "engine/training/trainer.h"

namespace adv {
namespace {

// Before the names of what Identity() gives, in the values of a checkpoint.
constexpr char kIdentityPrefix[] = "run.";
constexpr char kParameters[] = "parameters";
constexpr char kMeanSquare[] = "mean_square";
constexpr char kBestParameters[] = "best_parameters";

// 17 digits suffice for any double to be read back as the same double.
std::string Exactly(double value) { return absl::StrFormat("%.17g", value); }

// Descriptions are compared as texts and shown, but never read back.
std::string Describe(const std::vector<Layer>& layers) {
  return absl::StrJoin(layers, " ", [](std::string* out, const Layer& layer) {
    absl::StrAppend(out, static_cast<int>(layer.kind), ":", layer.name, ":",
                    layer.in, ":", layer.out, ":", layer.dropout);
  });
}

std::string Describe(const std::vector<LearningRateDrop>& drops) {
  return absl::StrJoin(drops, ",",
                       [](std::string* out, const LearningRateDrop& drop) {
                         absl::StrAppend(out, Exactly(drop.after_fraction), ":",
                                         Exactly(drop.factor));
                       });
}

std::string Describe(const AdversarialTraining& adversarial) {
  if (adversarial.method == AdversarialTraining::Method::kNone) return "none";
  return absl::StrCat(
      adversarial.method == AdversarialTraining::Method::kFgsm ? "fgsm" : "pgd",
      " epsilon ", Exactly(adversarial.epsilon), " step_size ",
      Exactly(adversarial.step_size), " steps ", adversarial.steps,
      " clean_weight ", Exactly(adversarial.clean_weight));
}

// The count stands in front, for people who read how two runs differ.
std::string DigestIndices(const std::vector<int64_t>& indices) {
  return absl::StrCat(indices.size(), " images, ",
                      DigestTensor(at::tensor(indices, at::kLong)));
}

// A line for each epoch, in the order that DecodeEpochs reads.
std::string EncodeEpochs(const std::vector<EpochRecord>& epochs) {
  return absl::StrJoin(epochs, "\n",
                       [](std::string* out, const EpochRecord& epoch) {
                         absl::StrAppend(out, Exactly(epoch.training_loss), " ",
                                         Exactly(epoch.training_accuracy), " ",
                                         Exactly(epoch.validation_loss), " ",
                                         Exactly(epoch.validation_accuracy),
                                         " ", Exactly(epoch.seconds));
                       });
}

// False if a line is not what EncodeEpochs writes. An empty text means no
// epochs.
bool DecodeEpochs(absl::string_view text, std::vector<EpochRecord>* epochs) {
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    EpochRecord epoch;
    if (parts.size() != 5 ||
        !absl::SimpleAtod(parts[0], &epoch.training_loss) ||
        !absl::SimpleAtod(parts[1], &epoch.training_accuracy) ||
        !absl::SimpleAtod(parts[2], &epoch.validation_loss) ||
        !absl::SimpleAtod(parts[3], &epoch.validation_accuracy) ||
        !absl::SimpleAtod(parts[4], &epoch.seconds)) {
      return false;
    }
    epochs->push_back(epoch);
  }
  return true;
}

// The numbers of a checkpoint.
struct Counters {
  std::vector<EpochRecord> epochs;
  int64_t step = 0;
  double training_loss = 0;  // sums of the epoch so far
  double training_correct = 0;
  double epoch_seconds = 0;
  double seconds = 0;
};

bool DecodeCounters(const std::map<std::string, std::string>& values,
                    Counters* counters) {
  const auto at = [&values](const char* name) -> absl::string_view {
    const auto found = values.find(name);
    // A number that is missing reads as an empty text, which is no number.
    return found == values.end() ? "" : absl::string_view(found->second);
  };
  return DecodeEpochs(at("epochs"), &counters->epochs) &&
         absl::SimpleAtoi(at("step"), &counters->step) &&
         absl::SimpleAtod(at("training_loss"), &counters->training_loss) &&
         absl::SimpleAtod(at("training_correct"),
                          &counters->training_correct) &&
         absl::SimpleAtod(at("epoch_seconds"), &counters->epoch_seconds) &&
         absl::SimpleAtod(at("seconds"), &counters->seconds);
}

// FAILED_PRECONDITION names every difference as "name was X, now is Y".
absl::Status CheckIdentity(const std::map<std::string, std::string>& current,
                           const std::map<std::string, std::string>& values) {
  std::vector<std::string> differences;
  // Only what this run knows is compared: an older program may have written
  // more or fewer names, and a missing one counts as a difference.
  for (const auto& [name, value] : current) {
    const auto found = values.find(absl::StrCat(kIdentityPrefix, name));
    const std::string was = found == values.end() ? "unknown" : found->second;
    if (was != value) {
      differences.push_back(
          absl::StrCat(name, " was ", was, ", now is ", value));
    }
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the checkpoint belongs to another run: ",
                   absl::StrJoin(differences, "; ")));
}

}  // namespace

// max_loss is left out: it may end a run, but changes no weight.
std::map<std::string, std::string> Trainer::Identity() const {
  return {
      {"layers", Describe(layers_)},
      {"initial_weights", initial_digest_},
      {"training_data", data_->digest()},
      {"training_images", DigestIndices(split_.training)},
      {"validation_images", DigestIndices(split_.validation)},
      {"device", device_.is_cuda() ? "cuda" : "cpu"},
      // Another number of threads adds floats in another order, and so gives
      // other bits.
      {"threads",
       device_.is_cuda() ? "any" : absl::StrCat(at::get_num_threads())},
      {"seed", absl::StrCat(settings_.seed)},
      {"batch_size", absl::StrCat(settings_.batch_size)},
      {"max_epochs", absl::StrCat(settings_.max_epochs)},
      {"learning_rate", Exactly(settings_.learning_rate)},
      {"decay_per_update", Exactly(settings_.decay_per_update)},
      {"rho", Exactly(settings_.rho)},
      {"optimizer_epsilon", Exactly(settings_.optimizer_epsilon)},
      {"validation_fraction", Exactly(settings_.validation_fraction)},
      {"patience", absl::StrCat(settings_.patience)},
      {"min_delta", Exactly(settings_.min_delta)},
      {"horizontal_flips", settings_.horizontal_flips ? "on" : "off"},
      {"shuffle", settings_.shuffle_on_device ? "on device" : "on host"},
      {"learning_rate_drops", Describe(settings_.learning_rate_drops)},
      {"adversarial", Describe(settings_.adversarial)},
  };
}

absl::StatusOr<std::string> Trainer::Checkpoint() const {
  const c10::StreamGuard on_stream(stream_);
  CheckpointContent content;
  content.tensors = {{kParameters, parameters_.values()},
                     {kMeanSquare, optimizer_.mean_square()},
                     {kBestParameters, best_values_}};
  for (const auto& [name, value] : Identity()) {
    content.values[absl::StrCat(kIdentityPrefix, name)] = value;
  }
  content.values["epochs"] = EncodeEpochs(epochs_);
  content.values["step"] = absl::StrCat(step_);
  // The sums of the validation are left out, since Validate starts them anew.
  const Sums sums = ReadSums();
  content.values["training_loss"] = Exactly(sums.training_loss);
  content.values["training_correct"] = Exactly(sums.training_correct);
  content.values["epoch_seconds"] = Exactly(epoch_seconds_);
  content.values["seconds"] = Exactly(seconds_);
  return EncodeCheckpoint(content);
}

absl::Status Trainer::Restore(absl::string_view checkpoint) {
  const absl::StatusOr<CheckpointContent> content =
      DecodeCheckpoint(checkpoint);
  if (!content.ok()) return content.status();
  if (absl::Status s = CheckIdentity(Identity(), content->values); !s.ok()) {
    return s;
  }
  // All checks come before the first change, so that a failure changes nothing.
  for (const char* name : {kParameters, kMeanSquare, kBestParameters}) {
    const auto found = content->tensors.find(name);
    if (found == content->tensors.end() ||
        found->second.sizes() != best_values_.sizes()) {
      return absl::DataLossError(
          absl::StrCat("the checkpoint holds no ", name, " of the right size"));
    }
  }
  Counters counters;
  // All steps may be done: the last report of an epoch comes after them, and
  // only the validation is then left to do.
  if (!DecodeCounters(content->values, &counters) || counters.step < 0 ||
      counters.step > steps_per_epoch() ||
      static_cast<int64_t>(counters.epochs.size()) > settings_.max_epochs) {
    return absl::DataLossError("the checkpoint's numbers make no sense");
  }

  const c10::StreamGuard on_stream(stream_);
  const at::NoGradGuard no_grad;
  at::Tensor mean_square = optimizer_.mean_square();
  parameters_.values().copy_(content->tensors.at(kParameters));
  mean_square.copy_(content->tensors.at(kMeanSquare));
  best_values_.copy_(content->tensors.at(kBestParameters));
  epochs_ = std::move(counters.epochs);
  // The epoch's order follows from the number of finished epochs. StartEpoch
  // clears the step and the sums, so they come after it.
  StartEpoch();
  step_ = counters.step;
  sums_[0].fill_(counters.training_loss);
  sums_[1].fill_(counters.training_correct);
  epoch_seconds_ = counters.epoch_seconds;
  seconds_ = counters.seconds;
  return absl::OkStatus();
}

}  // namespace adv
