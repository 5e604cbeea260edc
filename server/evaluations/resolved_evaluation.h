#ifndef ADV_SERVER_EVALUATIONS_RESOLVED_EVALUATION_H_
#define ADV_SERVER_EVALUATIONS_RESOLVED_EVALUATION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/data/dataset.h"
#include "engine/evaluation/plan.h"
#include "server/models/served_model.h"

namespace adv {

// A specification with everything it names at hand; made and validated by the
// codec.
struct ResolvedEvaluation {
  v1::ResolvedSpec resolved;
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<const ServedModel> source_model;  // `model` but for transfer
  std::shared_ptr<const Dataset> dataset;
  std::vector<int64_t> indices;  // in the data set, in rising order
  EvaluationPlan plan;
  std::string identity;  // JobOptions::identity of its tiles

  // Of each image: one for each attack and epsilon.
  size_t results() const { return plan.attacks.size() * plan.epsilons.size(); }
};

// SHA-256 of the specification's deterministic bytes, 64 hexadecimal digits.
std::string EvaluationId(const v1::ResolvedSpec& resolved);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_RESOLVED_EVALUATION_H_
