#ifndef ADV_CLIENT_EVALUATIONS_TRANSFER_MATRIX_H_
#define ADV_CLIENT_EVALUATIONS_TRANSFER_MATRIX_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adv/v1/evaluation.pb.h"

namespace adv {

// The number in one cell of the matrix. Its images are made with one model's
// gradients and shown to another model.
enum class TransferMeasure {
  kRobust,     // clean right and still right, over all
  kSuccess,    // clean right and now wrong, over clean right
  kPerturbed,  // right on the perturbed image, over all
};

// Reads "robust", "success" or "perturbed".
absl::StatusOr<TransferMeasure> ParseMeasure(const std::string& text);
std::string MeasureName(TransferMeasure measure);
const v1::Rate& MeasureOf(const v1::Outcomes& outcomes,
                          TransferMeasure measure);

// The evaluations of every source with every target, for one attack at one
// epsilon.
struct TransferMatrix {
  std::vector<std::string> sources, targets;  // as the user named them
  // All finished. Row by row: [source * targets.size() + target].
  std::vector<v1::Evaluation> evaluations;

  const v1::EvaluationReport& At(std::size_t source, std::size_t target) const {
    return evaluations[source * targets.size() + target].report();
  }
};

// True if the gradients are the attacked model's own.
bool IsWhiteBox(const v1::EvaluationReport& report);

// The outcomes of the class that the attacked model's training treats
// differently; null if there is none.
const v1::ClassOutcomes* MarkedOutcomes(const v1::EvaluationReport& report);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_TRANSFER_MATRIX_H_
