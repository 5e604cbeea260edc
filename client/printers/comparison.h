#ifndef ADV_CLIENT_PRINTERS_COMPARISON_H_
#define ADV_CLIENT_PRINTERS_COMPARISON_H_

#include <string>
#include <vector>

#include "client/evaluations/comparison.h"
#include "client/printers/style.h"
#include "client/printers/table.h"
#include "nlohmann/json.hpp"

namespace adv {

// The thesis's numbers beside those of the models, as tables of at most 80
// columns: all classes, the class of each model, further images, training; then
// a legend, the sums and the notes. `wide` adds the columns that do not fit.
std::string ComparisonText(const std::vector<ComparisonRow>& rows,
                           const std::vector<std::string>& notes, bool wide,
                           const Style& style);

// One row for each model. Accuracies and differences are shares. Each set of
// further images that any model was tested on adds its columns at the end.
Table ComparisonCsv(const std::vector<ComparisonRow>& rows);

// {"source", "models": [...], "summary": [...], "notes": [...]}. Unknown values
// are null.
nlohmann::ordered_json ComparisonJson(const std::vector<ComparisonRow>& rows,
                                      const std::vector<std::string>& notes);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_COMPARISON_H_
