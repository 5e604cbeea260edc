#ifndef ADV_ENGINE_EVALUATION_BUILD_REPORT_H_
#define ADV_ENGINE_EVALUATION_BUILD_REPORT_H_

#include <string>
#include <vector>

#include "engine/evaluation/plan.h"
#include "engine/evaluation/records.h"
#include "engine/evaluation/report.h"

namespace adv {

// A pure function: the same records in any order give the same report.
EvaluationReport BuildReport(const EvaluationPlan& plan, const Classes& classes,
                             std::vector<SampleRecord> records);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_BUILD_REPORT_H_
