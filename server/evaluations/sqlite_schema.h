#ifndef ADV_SERVER_EVALUATIONS_SQLITE_SCHEMA_H_
#define ADV_SERVER_EVALUATIONS_SQLITE_SCHEMA_H_

#include <absl/status/status.h>

#include <cstdint>

namespace adv {

class Database;

// Makes `database` ready for the evaluation store: settings, and the tables of
// the newest schema, to which older ones are brought in one transaction.
// FAILED_PRECONDITION if the schema is newer or the file is another program's.
absl::Status PrepareSchema(Database& database, int64_t max_bytes);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_SQLITE_SCHEMA_H_
