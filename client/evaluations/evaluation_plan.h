#ifndef ADV_CLIENT_EVALUATIONS_EVALUATION_PLAN_H_
#define ADV_CLIENT_EVALUATIONS_EVALUATION_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adv/v1/evaluation.pb.h"
#include "client/attacks/goal.h"
#include "client/options.h"

namespace adv {

// The flags typed after `advctl evaluate`.
struct EvaluateFlags {
  std::vector<std::string> models;
  std::vector<std::string> attacks;  // empty: the default question
  std::string norm;                  // empty: the first that all attacks have
  std::string epsilons;              // empty: each attack's default
  std::string goal;                  // empty: untargeted
  std::string dataset;
  std::uint64_t samples = 0;
  std::uint64_t seed = 0;
  std::string source_model;
  std::string success;
  std::optional<std::uint32_t> steps;
  std::string step_size;
  bool thesis_mode = false;
  bool eight_bit = false;
  std::string precision;  // float32, fast, or empty for the server's default
  std::uint32_t tile_size = 0;
  bool cancel_on_disconnect = false;
  std::string compare;
  bool no_compare = false;
  std::string save;  // folder for the adversarial images; empty for none
};

// With a private server, --dataset=NAME=DIR brings a data set along. Leaves the
// name in the flags and moves the whole to the server's options.
void TakeLocalDataset(EvaluateFlags* flags, GlobalOptions* options);

// The default epsilon of an attack: .01 for FGSM, as in the thesis, 2/255 for
// the others, which need less, and .5 in L2. Beside other attacks, noise takes
// their epsilon.
v1::Epsilon DefaultEpsilon(const v1::Attack& attack, v1::Norm norm);

// The evaluations that answer one command, for any model. The caller, who knows
// the server, fills in the model's name and a goal that names a class.
struct EvaluationPlan {
  // A specification crosses all its attacks with all its epsilons. So attacks
  // with different epsilons need different evaluations.
  std::vector<v1::EvaluationSpec> specs;
  GoalText goal;
  // The model to show beside the one model; empty for none.
  std::string compare;
  // False if `compare` is only a suggestion, which is dropped if the server has
  // no such model.
  bool compare_required = false;
};

// The plan for the flags. The error has a line for each wrong attack, parameter
// and epsilon; each line begins with the flag that is wrong.
absl::StatusOr<EvaluationPlan> PlanEvaluations(const EvaluateFlags& flags);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_EVALUATION_PLAN_H_
