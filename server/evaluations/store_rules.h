#ifndef ADV_SERVER_EVALUATIONS_STORE_RULES_H_
#define ADV_SERVER_EVALUATIONS_STORE_RULES_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/evaluations/evaluation_store.h"

// What the implementations of EvaluationStore have in common.
namespace adv {

absl::Status UnknownEvaluation(absl::string_view id);

// An evaluation as a table has it.
struct EvaluationRow {
  std::string id;
  std::string resolved;  // serialized
  int64_t state = 0;
  std::string error;
  int64_t created_ms = 0;
  std::optional<int64_t> finished_ms;  // none until it ends
  int64_t samples_done = 0;
  int64_t samples_total = 0;
  bool cancel_on_disconnect = false;
};
// Without its report. DATA_LOSS if the specification is damaged.
absl::StatusOr<v1::Evaluation> DecodeRow(const EvaluationRow& row);

// INVALID_ARGUMENT if `id` cannot be an evaluation's id or a beginning of one.
absl::Status CheckIdBeginning(absl::string_view id);

// `found`: the first ids that begin with `id`, two if there are so many.
absl::StatusOr<std::string> OneId(absl::string_view id,
                                  const std::vector<std::string>& found);

// The position that a page token names; `at_start` for the first page.
// INVALID_ARGUMENT: callers may send anything.
absl::StatusOr<int64_t> ParseToken(const std::string& token, int64_t at_start);

// Adds the record of `bytes` to a page of at most `page_size`; false if it is
// to begin the next page, which the token says then. DATA_LOSS if it is
// damaged.
class RecordPageMaker {
 public:
  explicit RecordPageMaker(int64_t page_size) : page_size_(page_size) {}

  absl::StatusOr<bool> Add(int64_t index, const std::string& bytes);
  RecordPage Take() { return std::move(page_); }

 private:
  const int64_t page_size_;
  size_t bytes_ = 0;
  RecordPage page_;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_STORE_RULES_H_
