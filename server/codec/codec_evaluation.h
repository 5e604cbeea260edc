#ifndef ADV_SERVER_CODEC_CODEC_EVALUATION_H_
#define ADV_SERVER_CODEC_CODEC_EVALUATION_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "adv/v1/evaluation.pb.h"
#include "engine/data/dataset.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/limits.h"
#include "server/models/served_model.h"
#include "server/wire/errors.h"

namespace adv {

// What an EvaluationSpec names, found in the registries.
struct EvaluationInputs {
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<const ServedModel> source_model;  // `model` but for transfer
  std::shared_ptr<const Dataset> dataset;
};

// Fills in every default and finds all that is wrong with `spec` at once. Data
// set and source come out with the model's classes in its order.
//
// In the resolved specification sizes are in pixel units, `samples` is their
// number, and IGSM's steps are left out where they follow from epsilon, which
// differs from result to result.
absl::StatusOr<ResolvedEvaluation> DecodeEvaluationSpec(
    const v1::EvaluationSpec& spec, EvaluationInputs inputs,
    const Limits& limits);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_EVALUATION_H_
