#ifndef ADV_CLIENT_EVALUATIONS_RECORD_PAGES_H_
#define ADV_CLIENT_EVALUATIONS_RECORD_PAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/session/connection.h"
#include "grpcpp/support/status.h"

namespace adv {

// Fetches the first `limit` records of an evaluation, page by page, in index
// order. A running evaluation has those done so far.
grpc::Status FetchRecords(Connection& connection, const std::string& id,
                          std::uint64_t limit,
                          std::vector<v1::EvaluationRecord>* records);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_RECORD_PAGES_H_
