#ifndef ADV_ENGINE_EVALUATION_WARNINGS_H_
#define ADV_ENGINE_EVALUATION_WARNINGS_H_

#include <string>
#include <vector>

#include "engine/evaluation/plan.h"
#include "engine/evaluation/report.h"

namespace adv {

// The warnings that follow from the plan alone: thesis_mode, steps that cannot
// reach an epsilon, an epsilon between two levels of 8-bit images.
std::vector<std::string> SettingWarnings(const EvaluationPlan& plan);

// EvaluationReport::warnings, from the rest of the report.
std::vector<std::string> FindWarnings(const EvaluationPlan& plan,
                                      const EvaluationReport& report);

// EvaluationReport::unchecked.
std::vector<std::string> FindUnchecked(const EvaluationPlan& plan);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_WARNINGS_H_
