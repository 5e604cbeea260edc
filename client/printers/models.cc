#include "client/printers/models.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/evaluations/comparison.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

// "79.3"; a dash if there is no rate.
std::string Share(const std::optional<v1::Rate>& rate) {
  return rate ? PercentText(rate->value()) : "–";
}

}  // namespace

std::string StateText(v1::ModelState state) {
  const std::string name = v1::ModelState_Name(state);
  // A newer server may have states that this program cannot name.
  if (name.empty()) return absl::StrCat("state ", static_cast<int>(state));
  return absl::AsciiStrToLower(name.substr(sizeof("MODEL_STATE_") - 1));
}

Table ModelTable(const v1::ListModelsResponse& response) {
  Table table({{"model"},
               {"version", true},
               {"state"},
               {"test %", true},
               {"marked class"},
               {"marked %", true},
               {"digest"},
               {"published (UTC)"}});
  for (const v1::Model& model : response.models()) {
    const v1::ModelManifest& manifest = model.manifest();
    const std::string marked = MarkedClass(manifest);
    const v1::TestResult& test = manifest.training().test();
    table.AddRow(
        {model.name(), absl::StrCat(model.version()), StateText(model.state()),
         // Without a test result this is 0 of 0, which shows as a dash.
         PercentText(MakeRate(test.correct(), test.images()).value()), marked,
         marked.empty() ? "" : Share(ClassAccuracy(manifest, marked)),
         ShortId(model.digest()), TimeText(manifest.published_at())});
  }
  return table;
}

Table AliasTable(const v1::ListModelsResponse& response) {
  Table table(
      {{"alias"}, {"target"}, {"model"}, {"version", true}, {"digest"}});
  for (const v1::ModelAlias& alias : response.aliases()) {
    const v1::ModelReference& model = alias.model();
    if (alias.has_model()) {
      table.AddRow({alias.name(), alias.target(), model.name(),
                    absl::StrCat(model.version()), ShortId(model.digest())});
    } else {
      table.AddRow({alias.name(), alias.target(), "not known", "", ""});
    }
  }
  return table;
}

std::string MarkedClass(const v1::ModelManifest& manifest) {
  const v1::TrainingRecord& training = manifest.training();
  // The label is the manifest's and may be out of range.
  if (!training.has_special_label() || training.special_label() < 0 ||
      training.special_label() >= manifest.class_names_size()) {
    return "";
  }
  return manifest.class_names(training.special_label());
}

std::string StopText(v1::StopReason reason) {
  if (reason == v1::STOP_REASON_EARLY_STOPPING) return "early";
  return reason == v1::STOP_REASON_MAX_EPOCHS ? "at the limit" : "";
}

Table EpochTable(const v1::Model& model) {
  Table table({{"epoch"},
               {"training_loss"},
               {"training_accuracy"},
               {"validation_loss"},
               {"validation_accuracy"},
               {"wall_seconds"}});
  // The record has the epochs in order and without their numbers, from 1.
  int number = 0;
  for (const auto& epoch : model.manifest().training().epochs()) {
    table.AddRow({absl::StrCat(++number), ExactText(epoch.training_loss()),
                  ExactText(epoch.training_accuracy()),
                  ExactText(epoch.validation_loss()),
                  ExactText(epoch.validation_accuracy()),
                  ExactText(epoch.wall_seconds())});
  }
  return table;
}

}  // namespace adv
