#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_STORE_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_STORE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"

namespace adv {

// Whether it is QUEUED or RUNNING.
inline bool IsUnderway(const v1::Evaluation& evaluation) {
  return evaluation.state() == v1::EVALUATION_STATE_QUEUED ||
         evaluation.state() == v1::EVALUATION_STATE_RUNNING;
}

struct EvaluationPage {
  std::vector<v1::Evaluation> evaluations;
  std::string next_page_token;  // empty: the last page
};

// Serialized records of one page: stock clients receive messages of 4 MiB.
inline constexpr size_t kMaxPageBytes = size_t{2} << 20;

struct RecordPage {
  std::vector<v1::EvaluationRecord> records;
  std::string next_page_token;  // empty: the last page
};

// What records cost.
struct Effort {
  double seconds = 0;  // of one thread that computes
  // Images sent to endpoints, those of calls that failed and were sent again
  // included; 0 for models that run here.
  int64_t queries = 0;
};

// In bytes.
struct StoreSize {
  int64_t used = 0;
  int64_t limit = 0;  // 0 for no limit
};

class TileQueue;

// Evaluations and their records. Each call is one transaction: it happens
// whole or not at all, also through a kill. A full disk is RESOURCE_EXHAUSTED
// and changes nothing; an id that is not there is NOT_FOUND.
//
// Implementations are thread-safe.
class EvaluationStore {
 public:
  virtual ~EvaluationStore() = default;

  // Keeps id, resolved, state, created_at, samples_total and
  // cancel_on_disconnect. ALREADY_EXISTS.
  virtual absl::Status Create(const v1::Evaluation& evaluation) = 0;

  // `id` is a whole id or a beginning of one, at least 6 characters of
  // lower-case hexadecimal digits: INVALID_ARGUMENT if it is not, or if
  // several ids begin with it.
  virtual absl::StatusOr<std::string> ResolveId(absl::string_view id) const = 0;

  // By whole id, with its report.
  virtual absl::StatusOr<v1::Evaluation> Get(const std::string& id) const = 0;

  // Newest first, without reports. `model` is a name ("no-cat"), empty for
  // all; `page_size` at least 1. INVALID_ARGUMENT for a token that it did not
  // give.
  virtual absl::StatusOr<EvaluationPage> List(
      int64_t page_size, const std::string& page_token,
      const std::string& model) const = 0;

  // Sets state, error, cancel_on_disconnect, finished_at (if set) and report
  // (if set).
  virtual absl::Status Update(const v1::Evaluation& evaluation) = 0;

  // Sets cancel_on_disconnect to false and nothing else, whatever else changes
  // at the same time.
  virtual absl::Status OutliveCallers(const std::string& id) = 0;

  // The records of one tile, and what was not told yet of its cost. They take
  // the place of what was kept of them.
  virtual absl::Status Append(const std::string& id,
                              const std::vector<v1::EvaluationRecord>& records,
                              const Effort& effort) = 0;

  // Keeps records whose attacks are a beginning of the whole, in place of what
  // was kept of these samples before, and what was not told yet of their cost.
  // Records and their counts do not show them.
  virtual absl::Status Keep(const std::string& id,
                            const std::vector<v1::EvaluationRecord>& unfinished,
                            const Effort& effort) = 0;

  // Records in index order: at most `page_size`, and no more than fit
  // kMaxPageBytes, but at least one if there is one. Token as in List.
  virtual absl::StatusOr<RecordPage> Records(
      const std::string& id, int64_t page_size,
      const std::string& page_token) const = 0;
  // Serialized, all of them, in index order.
  virtual absl::StatusOr<std::vector<std::string>> RecordBytes(
      const std::string& id) const = 0;
  // The same of what Keep kept and Append has not replaced.
  virtual absl::StatusOr<std::vector<std::string>> UnfinishedBytes(
      const std::string& id) const = 0;
  // The sum over Append and Keep.
  virtual absl::StatusOr<Effort> Spent(const std::string& id) const = 0;

  virtual absl::Status Delete(const std::string& id) = 0;

  // Those that are QUEUED or RUNNING, oldest first, without reports.
  virtual absl::StatusOr<std::vector<v1::Evaluation>> Underway() const = 0;

  // Of what it keeps, without a journal and without room for what comes next.
  virtual absl::StatusOr<StoreSize> Size() const = 0;

  // By which several servers work on the evaluations of this store. Null: the
  // store is one server's alone. Not to be deleted.
  virtual TileQueue* queue() { return nullptr; }
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_STORE_H_
