#ifndef ADV_CLIENT_PRINTERS_TRANSFER_H_
#define ADV_CLIENT_PRINTERS_TRANSFER_H_

#include <string>

#include "client/evaluations/transfer_matrix.h"
#include "client/printers/style.h"
#include "nlohmann/json.hpp"

namespace adv {

// Two matrices of per cent, a row a source, a column a target: all classes,
// and each target's marked class. At most 100 columns wide: many targets stand
// in several blocks. For programs there is ReportCsv.
std::string TransferText(const TransferMatrix& matrix, TransferMeasure measure,
                         const Style& style);

// {"measure", "sources", "targets", "pairs": [{source, target, white_box, all
// counts and intervals, overall and by class}]}.
nlohmann::ordered_json TransferJson(const TransferMatrix& matrix,
                                    TransferMeasure measure);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_TRANSFER_H_
