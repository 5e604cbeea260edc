#ifndef ADV_SERVER_EVALUATIONS_POSTGRES_EVALUATION_STORE_H_
#define ADV_SERVER_EVALUATIONS_POSTGRES_EVALUATION_STORE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <memory>
#include <string>

#include "server/evaluations/evaluation_store.h"

namespace adv {

struct PostgresStoreOptions {
  // postgresql://USER@HOST:PORT/DATABASE?SETTING=VALUE, as libpq takes it.
  std::string url;
  // Who takes tiles. Another one for each process; empty: host, process and a
  // random number.
  std::string owner;
  // How long a tile stays with a server that says nothing. A server that runs
  // renews it at a third of that.
  double lease_seconds = 15;
};

// Whether `state` names a PostgreSQL database.
bool IsPostgresUrl(absl::string_view state);

// An evaluation store that any number of servers share. Makes its tables in the
// database's schema "adv", or brings them up to date.
//
// UNAVAILABLE if the database cannot be reached, FAILED_PRECONDITION if it has
// a newer schema, PERMISSION_DENIED if the user may not make tables.
absl::StatusOr<std::unique_ptr<EvaluationStore>> OpenPostgresStore(
    const PostgresStoreOptions& options);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_POSTGRES_EVALUATION_STORE_H_
