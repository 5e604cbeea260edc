#include "server/wire/resolve_evaluation.h"

#include <utility>

#include "server/codec/codec_evaluation.h"
#include "server/wire/explain.h"

namespace adv {

absl::StatusOr<ResolvedEvaluation> ResolveEvaluation(
    const v1::EvaluationSpec& spec, ModelRegistry& models,
    const DatasetRegistry& datasets, const Limits& limits) {
  EvaluationInputs inputs;
  auto model = models.Borrow(spec.model());
  if (!model.ok()) {
    return ExplainModel(model.status(), spec.model(), "spec.model");
  }
  // Without a source_model both are one object, by which the codec knows that
  // this is no transfer.
  inputs.model = inputs.source_model = *std::move(model);
  if (spec.has_source_model()) {
    auto source = models.Borrow(spec.source_model());
    if (!source.ok()) {
      return ExplainModel(source.status(), spec.source_model(),
                          "spec.source_model");
    }
    inputs.source_model = *std::move(source);
  }
  auto dataset =
      datasets.Find(spec.dataset().empty() ? kBuiltInDataset : spec.dataset());
  if (!dataset.ok()) return ExplainDataset(dataset.status(), spec.dataset());
  inputs.dataset = *std::move(dataset);
  return DecodeEvaluationSpec(spec, inputs, limits);
}

}  // namespace adv
