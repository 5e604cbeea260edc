#ifndef ADV_ENGINE_EVALUATION_WARNINGS_H_
#define ADV_ENGINE_EVALUATION_WARNINGS_H_

#include <string>
#include <vector>

#include "engine/evaluation/evaluation.h"

namespace adv {

// EvaluationReport::warnings, from the rest of the report.
std::vector<std::string> FindWarnings(const EvaluationPlan& plan,
                                      const EvaluationReport& report);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_WARNINGS_H_
