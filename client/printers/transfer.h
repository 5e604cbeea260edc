#ifndef ADV_CLIENT_PRINTERS_TRANSFER_H_
#define ADV_CLIENT_PRINTERS_TRANSFER_H_

#include <string>

#include "client/evaluations/transfer_matrix.h"
#include "client/printers/style.h"
#include "nlohmann/json.hpp"

namespace adv {

// Two matrices of percentages, with one row for each source and one column for
// each target: one of all classes, one of each target's marked class. At most
// 100 columns wide; many targets stand in several blocks. Programs read
// ReportCsv.
std::string TransferText(const TransferMatrix& matrix, TransferMeasure measure,
                         const Style& style);

// {"measure", "sources", "targets", "pairs": [{source, target, white_box, all
// counts and intervals, overall and by class}]}.
nlohmann::ordered_json TransferJson(const TransferMatrix& matrix,
                                    TransferMeasure measure);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_TRANSFER_H_
