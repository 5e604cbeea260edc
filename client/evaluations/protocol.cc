#include "client/evaluations/protocol.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/unknown_field_set.h"

namespace adv {
namespace {

// Settings with more differences than this are a protocol of their own.
constexpr std::size_t kAlike = 3;
// The last field that Differences compares or leaves out on purpose.
constexpr int kLastKnown = v1::TrainingSettings::kShuffleOnDeviceFieldNumber;

// The settings of the thesis. Fields that are 0 there stay unset.
v1::TrainingSettings Thesis() {
  v1::TrainingSettings settings;
  settings.set_batch_size(32);
  settings.set_learning_rate(1e-4);
  settings.set_decay_per_update(1e-5);
  settings.set_rho(.9);
  settings.set_optimizer_epsilon(1e-8);
  settings.set_validation_fraction(.1);
  settings.set_patience(10);
  settings.set_min_delta(1e-4);
  return settings;
}

// The settings of advtrain's --quick.
v1::TrainingSettings Quick() {
  v1::TrainingSettings settings = Thesis();
  settings.set_batch_size(64);
  settings.set_learning_rate(5e-4);
  settings.set_decay_per_update(0);
  settings.set_patience(0);
  settings.set_horizontal_flips(true);
  for (const auto& [after, factor] : {std::pair(.6, .3), std::pair(.85, .1)}) {
    auto* drop = settings.add_learning_rate_drops();
    drop->set_after_fraction(after);
    drop->set_factor(factor);
  }
  return settings;
}

// "rate x0.3 after 60%, x0.1 after 85%".
std::string Drops(const v1::TrainingSettings& settings) {
  if (settings.learning_rate_drops().empty()) return "no rate drops";
  return absl::StrCat(
      "rate ", absl::StrJoin(
                   settings.learning_rate_drops(), ", ",
                   [](std::string* out, const v1::LearningRateDrop& drop) {
                     absl::StrAppendFormat(out, "x%g after %g%%", drop.factor(),
                                           drop.after_fraction() * 100);
                   }));
}

// Adds the fields that a newer version has set, because they make another
// protocol, too.
void AddUnknown(const v1::TrainingSettings& settings,
                std::vector<std::string>* list) {
  const auto* reflection = v1::TrainingSettings::GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(settings, &fields);
  for (const auto* field : fields) {
    // Differences has seen to these.
    if (field->number() <= kLastKnown) continue;
    list->push_back(absl::StrReplaceAll(field->name(), {{"_", " "}}));
  }
  if (!reflection->GetUnknownFields(settings).empty()) {
    list->push_back("settings that this advctl does not know");
  }
}

// What `settings` have that `from` has not, each in a few words.
std::vector<std::string> Differences(const v1::TrainingSettings& settings,
                                     const v1::TrainingSettings& from) {
  std::vector<std::string> list;
  const auto add = [&list](bool same, const std::string& text) {
    if (!same) list.push_back(text);
  };
  const auto number = [&](double ours, double theirs, const char* name) {
    add(ours == theirs, absl::StrFormat("%s %g", name, ours));
  };
  number(settings.batch_size(), from.batch_size(), "batch");
  number(settings.learning_rate(), from.learning_rate(), "rate");
  number(settings.decay_per_update(), from.decay_per_update(), "decay");
  number(settings.rho(), from.rho(), "rho");
  number(settings.optimizer_epsilon(), from.optimizer_epsilon(), "epsilon");
  number(settings.validation_fraction(), from.validation_fraction(),
         "validation");
  number(settings.patience(), from.patience(), "patience");
  // Without patience min_delta has no effect.
  if (settings.patience() > 0) {
    number(settings.min_delta(), from.min_delta(), "min delta");
  }
  add(settings.horizontal_flips() == from.horizontal_flips(),
      settings.horizontal_flips() ? "flips" : "no flips");
  add(Drops(settings) == Drops(from), Drops(settings));
  // max_loss only decides about failure, and shuffle_on_device acts like
  // another seed, so neither counts.
  add(!settings.has_adversarial(), AdversarialText(settings.adversarial()));
  AddUnknown(settings, &list);
  return list;
}

}  // namespace

std::string AdversarialText(const v1::AdversarialTraining& adversarial) {
  const bool fgsm =
      adversarial.method() == v1::ADVERSARIAL_TRAINING_METHOD_FGSM;
  return absl::StrFormat("%s within %.3g/255", fgsm ? "FGSM" : "PGD",
                         adversarial.epsilon() * 255);
}

std::string ProtocolText(const v1::TrainingSettings& settings) {
  if (settings.batch_size() == 0) return "";  // no settings recorded
  const auto thesis = Differences(settings, Thesis());
  const auto quick = Differences(settings, Quick());
  // The nearer protocol makes the shorter text.
  const bool is_thesis = thesis.size() <= quick.size();
  const auto& differences = is_thesis ? thesis : quick;
  if (differences.size() > kAlike) return "own";
  std::string text = is_thesis ? "thesis" : "quick";
  for (const std::string& one : differences) absl::StrAppend(&text, ", ", one);
  return text;
}

}  // namespace adv
