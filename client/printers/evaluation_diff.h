#ifndef ADV_CLIENT_PRINTERS_EVALUATION_DIFF_H_
#define ADV_CLIENT_PRINTERS_EVALUATION_DIFF_H_

#include <cstdint>
#include <string>

#include "client/evaluations/evaluation_diff.h"
#include "client/printers/style.h"
#include "nlohmann/json.hpp"

namespace adv {

// Where A and B were found: addresses of servers.
struct DiffPlaces {
  std::string a, b;
};

// For people: what differs, the counts of each attack, and the first `limit`
// images that differ.
std::string DiffText(const EvaluationDiff& diff, const DiffPlaces& places,
                     std::uint64_t limit, const Style& style);

// The same for programs.
nlohmann::ordered_json DiffJson(const EvaluationDiff& diff,
                                const DiffPlaces& places, std::uint64_t limit);

// One row for each image and attack that differ, with all that was measured in
// A and in B.
std::string DiffCsv(const EvaluationDiff& diff, std::uint64_t limit);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_EVALUATION_DIFF_H_
