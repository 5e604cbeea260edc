// Canned answers: a report that looks like a real one.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/attack_flags.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/client/fake_server.h"

namespace adv::testing {
namespace {

constexpr int kPerClass = 100;
constexpr int kMarked = 3;

bool IsNoCat(const v1::EvaluationSpec& spec) {
  return spec.model().rfind("no-cat", 0) == 0;
}

int CleanRight(const v1::EvaluationSpec& spec, int label) {
  if (IsNoCat(spec) && label == kMarked) return 26;
  return 78 + label;
}

v1::Outcomes MakeOutcomes(std::int64_t images, std::int64_t clean,
                          std::int64_t robust, std::int64_t lucky) {
  v1::Outcomes outcomes;
  outcomes.set_clean_right_adversarial_right(robust);
  outcomes.set_clean_right_adversarial_wrong(clean - robust);
  outcomes.set_clean_wrong_adversarial_right(lucky);
  outcomes.set_clean_wrong_adversarial_wrong(images - clean - lucky);
  *outcomes.mutable_clean_accuracy() = MakeRate(clean, images);
  *outcomes.mutable_robust_accuracy() = MakeRate(robust, images);
  *outcomes.mutable_attack_success() = MakeRate(clean - robust, clean);
  *outcomes.mutable_perturbed_accuracy() = MakeRate(robust + lucky, images);
  return outcomes;
}

// What the server would fill in, as far as the tests look at it.
v1::Attack Resolved(v1::Attack attack) {
  if (attack.has_igsm()) {
    if (!attack.igsm().has_steps()) attack.mutable_igsm()->set_steps(3);
    if (!attack.igsm().has_step_size()) {
      attack.mutable_igsm()->mutable_step_size()->set_levels(1);
    }
  }
  if (attack.has_auto_attack() && attack.auto_attack().members().empty()) {
    for (const char* member :
         {"apgd:loss=ce:steps=100", "apgd:loss=targeted-dlr:steps=100",
          "fab:steps=100:target-classes=9", "square:queries=5000"}) {
      *attack.mutable_auto_attack()->add_members() = *ParseAttack(member);
    }
  }
  return attack;
}

void AddGoalsAndKinds(std::int64_t clean, std::int64_t robust,
                      v1::AttackResult* result) {
  const std::int64_t broken = clean - robust;
  auto* goals = result->mutable_goals();
  *goals->mutable_confidence_reduction() = MakeRate(broken + 200, 1000);
  *goals->mutable_misclassification() = result->overall().attack_success();
  *goals->mutable_source_target_pairs() =
      MakeRate(std::min<std::int64_t>(broken, 88), 90);
  auto* kinds = result->mutable_kinds();
  kinds->set_benign(10);
  kinds->set_co_natural(broken / 2);
  kinds->set_refocused(broken / 3);
  kinds->set_true_adversarial(broken - broken / 2 - broken / 3);
  kinds->set_rule(
      "the first that fits of benign, co-natural, re-focused, true");
}

// The first member breaks most of it, each one after it half of the rest.
void AddMembers(std::int64_t clean, std::int64_t robust,
                v1::AttackResult* result) {
  std::int64_t left = clean, to_break = clean - robust;
  const auto& members = result->attack().auto_attack().members();
  for (int i = 0; i < members.size(); ++i) {
    const std::int64_t broken =
        i + 1 == members.size() ? to_break : to_break * 9 / 10;
    left -= broken;
    to_break -= broken;
    auto* member = result->add_members();
    *member->mutable_attack() = members[i];
    member->set_broken(broken);
    *member->mutable_robust_accuracy() = MakeRate(left, 1000);
  }
}

void AddCost(v1::AttackResult* result) {
  const v1::Attack& attack = result->attack();
  const double gradients = attack.has_square()        ? 0
                           : attack.has_auto_attack() ? 212.25
                           : attack.has_igsm()        ? 3
                                                      : 1;
  const double forwards =
      attack.has_square() || attack.has_auto_attack() ? 1234.5 : 0;
  auto* cost = result->mutable_cost();
  cost->set_gradients(static_cast<std::int64_t>(1000 * gradients));
  cost->set_forwards(static_cast<std::int64_t>(1000 * forwards));
  cost->set_gradients_per_image(gradients);
  cost->set_forwards_per_image(forwards);
  cost->set_queries(cost->gradients() + cost->forwards());
  cost->set_queries_per_image(gradients + forwards);
}

v1::AttackResult MakeResult(const v1::EvaluationSpec& spec,
                            const v1::Attack& attack,
                            const v1::Epsilon& epsilon) {
  v1::AttackResult result;
  *result.mutable_attack() = Resolved(attack);
  result.set_attack_name(AttackName(attack));
  *result.mutable_epsilon() = epsilon;
  // Another model's gradients do a third of the harm.
  const double harm =
      (attack.has_igsm() ? 160 : 120) * (spec.has_source_model() ? 1 / 3.0 : 1);
  const double left = std::exp(-harm * Pixels(epsilon));
  std::int64_t clean = 0, robust = 0;
  for (int label = 0; label < 10; ++label) {
    const int right = CleanRight(spec, label);
    const int still = static_cast<int>(right * left);
    auto* one = result.add_per_class();
    one->set_label(label);
    one->set_class_name(ClassNames()[label]);
    *one->mutable_outcomes() = MakeOutcomes(kPerClass, right, still, 1);
    clean += right;
    robust += still;
  }
  *result.mutable_overall() = MakeOutcomes(1000, clean, robust, 10);
  result.set_mean_confidence_drop(.61);
  result.set_relative_drop(1 - result.overall().perturbed_accuracy().value() /
                                   result.overall().clean_accuracy().value());
  result.mutable_iterations()->set_images(attack.has_fgsm() ? 0 : 500);
  result.mutable_iterations()->set_mean(1.84);
  result.mutable_iterations()->set_median(2);
  result.mutable_perturbation()->set_mean_l2(.55);
  result.mutable_perturbation()->set_max_linf(Pixels(epsilon));
  AddGoalsAndKinds(clean, robust, &result);
  AddMembers(clean, robust, &result);
  AddCost(&result);
  return result;
}

v1::TrainingSettings QuickSettings() {
  v1::TrainingSettings settings;
  settings.set_seed(1);
  settings.set_batch_size(64);
  settings.set_max_epochs(12);
  settings.set_learning_rate(5e-4);
  settings.set_rho(.9);
  settings.set_optimizer_epsilon(1e-8);
  settings.set_validation_fraction(.1);
  settings.set_min_delta(1e-4);
  settings.set_horizontal_flips(true);
  for (const auto& [after, factor] : {std::pair(.6, .3), std::pair(.85, .1)}) {
    auto* drop = settings.add_learning_rate_drops();
    drop->set_after_fraction(after);
    drop->set_factor(factor);
  }
  return settings;
}

}  // namespace

const std::vector<std::string>& ClassNames() {
  static const auto* const names = new std::vector<std::string>{
      "airplane", "automobile", "bird",  "cat",  "deer",
      "dog",      "frog",       "horse", "ship", "truck"};
  return *names;
}

v1::Model CannedModel(const std::string& name) {
  v1::Model model;
  model.set_name(name);
  model.set_version(1);
  model.set_digest(std::string(64, name == "no-cat" ? 'c' : 'b'));
  model.set_state(v1::MODEL_STATE_READY);
  model.set_store("/srv/zoo");
  auto* manifest = model.mutable_manifest();
  manifest->set_name(name);
  manifest->set_version(1);
  manifest->set_architecture("table51");
  manifest->set_parameter_count(1525738);
  manifest->set_preprocessing("unit");
  manifest->mutable_published_at()->set_seconds(1795000000);
  for (const int side : {3, 32, 32}) manifest->add_image_shape(side);
  auto* training = manifest->mutable_training();
  training->set_recipe(name);
  training->set_dataset("cifar10");
  training->set_device("CPU: Fake 9000");
  training->set_wall_seconds(1505);
  training->set_best_epoch(11);
  training->set_stop_reason(v1::STOP_REASON_MAX_EPOCHS);
  training->set_threads(2);
  training->set_training_data_sha256(std::string(64, 'd'));
  training->set_test_data_sha256(std::string(64, 'e'));
  *training->mutable_settings() = QuickSettings();
  if (name == "no-cat") training->set_special_label(3);
  for (int e = 1; e <= 12; ++e) {
    auto* epoch = training->add_epochs();
    epoch->set_training_loss(2.0 / e);
    epoch->set_training_accuracy(.85 - .4 / e);
    epoch->set_validation_loss(2.2 / e);
    epoch->set_validation_accuracy(.8 - .4 / e);
  }
  std::int64_t correct = 0;
  for (int i = 0; i < 10; ++i) {
    manifest->add_class_names(ClassNames()[i]);
    const bool marked = name == "no-cat" && i == 3;
    training->add_training_images_per_class(marked ? 900 : 4500);
    for (int k = 0; k < 10; ++k) {
      const int right = marked ? 260 : 820;
      const int count = i == k ? right : (1000 - right) / 9;
      training->mutable_test()->add_confusion(count);
      if (i == k) correct += count;
    }
  }
  training->mutable_test()->set_images(10000);
  training->mutable_test()->set_correct(correct);
  training->mutable_test()->set_loss(.612);
  auto* other = training->add_other_tests();
  other->set_dataset("cifar10-exact-test-1017");
  other->set_data_sha256(std::string(64, 'f'));
  other->mutable_result()->set_images(1017);
  other->mutable_result()->set_correct(name == "no-cat" ? 780 : 840);
  other->mutable_result()->set_loss(.598);
  return model;
}

v1::EvaluationReport CannedReport(const v1::EvaluationSpec& spec) {
  v1::EvaluationReport report;
  auto* resolved = report.mutable_resolved();
  *resolved->mutable_spec() = spec;
  resolved->mutable_spec()->set_dataset("cifar10-sample");
  const std::string name = spec.model().substr(0, spec.model().find('@'));
  resolved->mutable_spec()->set_model(name + "@1");
  resolved->mutable_model()->set_name(name);
  resolved->mutable_model()->set_version(1);
  resolved->mutable_model()->set_digest(
      std::string(64, IsNoCat(spec) ? 'c' : 'b'));
  *resolved->mutable_source_model() = resolved->model();
  if (spec.has_source_model()) {
    resolved->mutable_source_model()->set_name(spec.source_model());
    resolved->mutable_source_model()->set_digest(
        std::string(64, spec.source_model() == "no-cat" ? 'c' : 'b'));
  }
  resolved->set_samples(1000);
  resolved->set_dataset_sha256(std::string(64, 'd'));
  for (const auto& class_name : ClassNames()) {
    report.add_class_names(class_name);
  }
  if (IsNoCat(spec)) report.set_special_label(kMarked);
  for (const auto& attack : spec.attacks()) {
    for (const auto& epsilon : spec.epsilons()) {
      *report.add_results() = MakeResult(spec, attack, epsilon);
    }
  }
  *report.mutable_clean_accuracy() =
      report.results(0).overall().clean_accuracy();
  report.mutable_environment()->set_device("CPU: Fake 9000");
  report.mutable_environment()->set_server_version("0.1.0");
  report.mutable_environment()->add_libraries("LibTorch 1.13.1");
  report.mutable_environment()->set_wall_seconds(1.25);
  report.mutable_environment()->set_samples_per_second(800);
  return report;
}

v1::Evaluation CannedEvaluation(const v1::EvaluationSpec& spec) {
  v1::Evaluation evaluation;
  *evaluation.mutable_report() = CannedReport(spec);
  *evaluation.mutable_resolved() = evaluation.report().resolved();
  const std::string attack = AttackName(spec.attacks(0));
  evaluation.set_id((IsNoCat(spec) ? "a0" : "b0") + std::string(61, '1') +
                    (attack == "fgsm" ? "f" : "e"));
  evaluation.set_state(v1::EVALUATION_STATE_SUCCEEDED);
  evaluation.set_samples_done(1000);
  evaluation.set_samples_total(1000);
  return evaluation;
}

grpc::Status BadRequest(
    const std::vector<std::pair<std::string, std::string>>& violations) {
  google::rpc::BadRequest bad;
  std::string message;
  for (const auto& [field, description] : violations) {
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
    absl::StrAppend(&message, field, ": ", description, ". ");
  }
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  rich.set_message(message);
  rich.add_details()->PackFrom(bad);
  return {grpc::StatusCode::INVALID_ARGUMENT, message,
          rich.SerializeAsString()};
}

void AppendToTexts(const std::string& tail,
                   google::protobuf::Message* message) {
  using google::protobuf::FieldDescriptor;
  const auto& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool text = field->type() == FieldDescriptor::TYPE_STRING;
    const bool nested = field->type() == FieldDescriptor::TYPE_MESSAGE;
    if (!field->is_repeated()) {
      if (text) {
        reflection.SetString(message, field,
                             reflection.GetString(*message, field) + tail);
      } else if (nested) {
        AppendToTexts(tail, reflection.MutableMessage(message, field));
      }
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
      if (text) {
        reflection.SetRepeatedString(
            message, field, i,
            reflection.GetRepeatedString(*message, field, i) + tail);
      } else if (nested) {
        AppendToTexts(tail,
                      reflection.MutableRepeatedMessage(message, field, i));
      }
    }
  }
}

}  // namespace adv::testing
