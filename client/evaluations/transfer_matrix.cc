#include "client/evaluations/transfer_matrix.h"

#include "absl/strings/str_cat.h"

namespace adv {

absl::StatusOr<TransferMeasure> ParseMeasure(const std::string& text) {
  for (const auto measure :
       {TransferMeasure::kRobust, TransferMeasure::kSuccess,
        TransferMeasure::kPerturbed}) {
    if (MeasureName(measure) == text) return measure;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text,
                   "' is not a measure; allowed are robust, success "
                   "and perturbed"));
}

std::string MeasureName(TransferMeasure measure) {
  switch (measure) {
    case TransferMeasure::kSuccess:
      return "success";
    case TransferMeasure::kPerturbed:
      return "perturbed";
    default:
      return "robust";
  }
}

const v1::Rate& MeasureOf(const v1::Outcomes& outcomes,
                          TransferMeasure measure) {
  switch (measure) {
    case TransferMeasure::kSuccess:
      return outcomes.attack_success();
    case TransferMeasure::kPerturbed:
      return outcomes.perturbed_accuracy();
    default:
      return outcomes.robust_accuracy();
  }
}

bool IsWhiteBox(const v1::EvaluationReport& report) {
  // Names may differ for one model, as NAME and NAME@VERSION do; digests
  // cannot.
  return report.resolved().source_model().digest() ==
         report.resolved().model().digest();
}

const v1::ClassOutcomes* MarkedOutcomes(const v1::EvaluationReport& report) {
  if (!report.has_special_label() || report.results().empty()) return nullptr;
  // A matrix is of one attack at one epsilon, so there is one result.
  for (const v1::ClassOutcomes& one : report.results(0).per_class()) {
    if (one.label() == report.special_label()) return &one;
  }
  return nullptr;
}

}  // namespace adv
