#ifndef ADV_SERVER_EVALUATIONS_SQLITE_EVALUATION_STORE_H_
#define ADV_SERVER_EVALUATIONS_SQLITE_EVALUATION_STORE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "server/evaluations/evaluation_store.h"

namespace adv {

struct SqliteStoreOptions {
  // The SQLite file, created if it is not there (its folder must be). Empty:
  // in memory, forgotten at the end.
  std::string path;
  // Largest size of the file in bytes (of the memory, without a file), not
  // counting its journal; 0 for no limit. Beyond it writing fails as on a full
  // disk.
  int64_t max_bytes = 0;
};

// An evaluation store in one file. A file of an older schema is brought up to
// date. One process at a time may open a file.
//
// FAILED_PRECONDITION if the file has a newer schema or is in use, DATA_LOSS
// if it is corrupt or no such file, otherwise the system's error; each message
// names the path.
absl::StatusOr<std::unique_ptr<EvaluationStore>> OpenSqliteStore(
    const SqliteStoreOptions& options);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_SQLITE_EVALUATION_STORE_H_
