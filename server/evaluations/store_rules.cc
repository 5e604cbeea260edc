#include "server/evaluations/store_rules.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>

namespace adv {
namespace {

constexpr size_t kLeastBeginning = 6;
constexpr size_t kIdLength = 64;

}  // namespace

absl::Status UnknownEvaluation(absl::string_view id) {
  return absl::NotFoundError(
      absl::StrCat("evaluation \"", id, "\" is not known"));
}

absl::StatusOr<v1::Evaluation> DecodeRow(const EvaluationRow& row) {
  using google::protobuf::util::TimeUtil;
  v1::Evaluation evaluation;
  evaluation.set_id(row.id);
  if (!evaluation.mutable_resolved()->ParseFromString(row.resolved)) {
    return absl::DataLossError(
        absl::StrCat("evaluation ", row.id, ": its bytes are damaged"));
  }
  evaluation.set_state(static_cast<v1::EvaluationState>(row.state));
  evaluation.set_error(row.error);
  *evaluation.mutable_created_at() =
      TimeUtil::MillisecondsToTimestamp(row.created_ms);
  if (row.finished_ms) {
    *evaluation.mutable_finished_at() =
        TimeUtil::MillisecondsToTimestamp(*row.finished_ms);
  }
  evaluation.set_samples_done(row.samples_done);
  evaluation.set_samples_total(row.samples_total);
  evaluation.set_cancel_on_disconnect(row.cancel_on_disconnect);
  return evaluation;
}

absl::Status CheckIdBeginning(absl::string_view id) {
  const bool is_hexadecimal = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
  });
  if (is_hexadecimal && id.size() >= kLeastBeginning &&
      id.size() <= kIdLength) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "must be ", kLeastBeginning, " to ", kIdLength,
      " lower-case hexadecimal digits: an evaluation's id or a beginning of "
      "it"));
}

absl::StatusOr<std::string> OneId(absl::string_view id,
                                  const std::vector<std::string>& found) {
  if (found.empty()) return UnknownEvaluation(id);
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("is \"", id, "\", the beginning of several, for example ",
                     found[0], " and ", found[1]));
  }
  return found[0];
}

absl::StatusOr<int64_t> ParseToken(const std::string& token, int64_t at_start) {
  if (token.empty()) return at_start;
  int64_t position = 0;
  if (!absl::SimpleAtoi(token, &position) || position < 0) {
    return absl::InvalidArgumentError(
        "must be the next_page_token of the page before, or empty");
  }
  return position;
}

absl::StatusOr<bool> RecordPageMaker::Add(int64_t index,
                                          const std::string& bytes) {
  // A page holds at least one record, however large.
  bytes_ += bytes.size();
  const auto count = static_cast<int64_t>(page_.records.size());
  if (count == page_size_ || (count > 0 && bytes_ > kMaxPageBytes)) {
    page_.next_page_token = absl::StrCat(index);
    return false;
  }
  if (!page_.records.emplace_back().ParseFromString(bytes)) {
    return absl::DataLossError(
        absl::StrCat("the evaluation's record ", index, " is damaged"));
  }
  return true;
}

}  // namespace adv
