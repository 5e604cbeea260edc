#include "client/evaluations/record_pages.h"

#include <algorithm>

namespace adv {
namespace {

// Records of one call; servers allow up to 10,000. The number keeps an answer
// well below the limit on messages.
constexpr std::uint64_t kPage = 1000;

}  // namespace

grpc::Status FetchRecords(Connection& connection, const std::string& id,
                          std::uint64_t limit,
                          std::vector<v1::EvaluationRecord>* records) {
  v1::ListEvaluationRecordsRequest request;
  request.set_id(id);
  do {
    request.set_page_size(std::min(limit - records->size(), kPage));
    const auto call = connection.NewCall(kQuickSeconds);
    v1::ListEvaluationRecordsResponse page;
    const grpc::Status status = connection.evaluation().ListEvaluationRecords(
        call.get(), request, &page);
    if (!status.ok()) return status;
    records->insert(records->end(), page.records().begin(),
                    page.records().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && records->size() < limit);
  return grpc::Status::OK;
}

}  // namespace adv
