#include "server/evaluations/resolved_evaluation.h"

#include "model_store/model_store.h"
#include "server/codec/deterministic_bytes.h"

namespace adv {

std::string EvaluationId(const v1::ResolvedSpec& resolved) {
  return Sha256Hex(DeterministicBytes(resolved));
}

}  // namespace adv
