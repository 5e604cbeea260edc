#ifndef ADV_SERVER_EVALUATIONS_POSTGRES_SCHEMA_H_
#define ADV_SERVER_EVALUATIONS_POSTGRES_SCHEMA_H_

#include <absl/status/status.h>

#include "server/evaluations/postgres.h"

namespace adv {

// What a session of the store begins with: its tables are in a schema of their
// own, so that the database may hold others.
inline constexpr char kPostgresSession[] =
    "SET search_path TO adv; SET statement_timeout TO '60s'; "
    "SET TIME ZONE 'UTC'";

// Makes the tables or brings them up to date; servers that start at the same
// time wait for each other. FAILED_PRECONDITION if the schema is newer than
// this program.
absl::Status PreparePostgresSchema(PostgresConnection& connection);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_POSTGRES_SCHEMA_H_
