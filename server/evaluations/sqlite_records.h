#ifndef ADV_SERVER_EVALUATIONS_SQLITE_RECORDS_H_
#define ADV_SERVER_EVALUATIONS_SQLITE_RECORDS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/sqlite.h"

namespace adv {

// The records of the evaluation in row `evaluation`, as EvaluationStore's
// methods of similar names say. The caller opens the transaction.

// Takes the place of what was kept of the same samples. A second record of one
// sample is an error.
absl::Status InsertRecords(Database& database, int64_t evaluation,
                           const std::vector<v1::EvaluationRecord>& records);
absl::Status KeepUnfinished(
    Database& database, int64_t evaluation,
    const std::vector<v1::EvaluationRecord>& unfinished);
absl::Status AddEffort(Database& database, int64_t evaluation,
                       const Effort& effort);

// The page of at most `page_size` records from index `from` on.
absl::StatusOr<RecordPage> ReadRecordPage(Database& database,
                                          int64_t evaluation, int64_t from,
                                          int64_t page_size);
absl::StatusOr<std::vector<std::string>> ReadRecordBytes(Database& database,
                                                         int64_t evaluation);
absl::StatusOr<std::vector<std::string>> ReadUnfinishedBytes(
    Database& database, int64_t evaluation);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_SQLITE_RECORDS_H_
