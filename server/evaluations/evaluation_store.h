#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_STORE_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_STORE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "server/compute/mutex.h"

namespace adv {

class Database;

struct EvaluationStoreOptions {
  // The SQLite file, created if it is not there (its folder must be). Empty:
  // in memory, forgotten at the end.
  std::string path;
  // Largest size of the file in bytes (of the memory, without a file), not
  // counting its journal; 0 for no limit. Beyond it writing fails as on a full
  // disk.
  int64_t max_bytes = 0;
};

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

// Evaluations and their records, in SQLite. Each call is one transaction: it
// happens whole or not at all, also through a kill. A full disk is
// RESOURCE_EXHAUSTED and changes nothing; an id that is not there is
// NOT_FOUND.
//
// Thread-safe. One process at a time may open a file (FAILED_PRECONDITION).
class EvaluationStore {
 public:
  // FAILED_PRECONDITION if the file has a newer schema or is in use, DATA_LOSS
  // if it is corrupt or no such file, otherwise the system's error; each
  // message names the path.
  static absl::StatusOr<std::unique_ptr<EvaluationStore>> Open(
      const EvaluationStoreOptions& options);
  ~EvaluationStore();
  EvaluationStore(const EvaluationStore&) = delete;
  EvaluationStore& operator=(const EvaluationStore&) = delete;

  // Keeps id, resolved, state, created_at and samples_total. ALREADY_EXISTS.
  absl::Status Create(const v1::Evaluation& evaluation);

  // `id` is a whole id or a beginning of one, at least 6 characters of
  // lower-case hexadecimal digits: INVALID_ARGUMENT if it is not, or if
  // several ids begin with it.
  absl::StatusOr<std::string> ResolveId(absl::string_view id) const;

  // By whole id, with its report.
  absl::StatusOr<v1::Evaluation> Get(const std::string& id) const;

  // Newest first, without reports. `model` is a name ("no-cat"), empty for
  // all; `page_size` at least 1. INVALID_ARGUMENT for a token that it did not
  // give.
  absl::StatusOr<EvaluationPage> List(int64_t page_size,
                                      const std::string& page_token,
                                      const std::string& model) const;

  // Sets state, error, finished_at (if set) and report (if set).
  absl::Status Update(const v1::Evaluation& evaluation);

  // The records of one tile, and the seconds it took.
  absl::Status Append(const std::string& id,
                      const std::vector<v1::EvaluationRecord>& records,
                      double seconds);

  // The indices that have a record, in rising order.
  absl::StatusOr<std::vector<int64_t>> DoneIndices(const std::string& id) const;
  // Records in index order: at most `page_size`, and no more than fit
  // kMaxPageBytes, but at least one if there is one. Token as in List.
  absl::StatusOr<RecordPage> Records(const std::string& id, int64_t page_size,
                                     const std::string& page_token) const;
  // Serialized, all of them, in index order.
  absl::StatusOr<std::vector<std::string>> RecordBytes(
      const std::string& id) const;
  // The sum over Append.
  absl::StatusOr<double> ComputeSeconds(const std::string& id) const;

  absl::Status Delete(const std::string& id);

  // Marks every evaluation that is QUEUED or RUNNING as CANCELLED with
  // `error`: what a server does at its start with what was left over.
  absl::Status InterruptUnfinished(const std::string& error);

 private:
  explicit EvaluationStore(std::unique_ptr<Database> database);

  // Its row.
  absl::StatusOr<int64_t> Find(const std::string& id) const
      ADV_REQUIRES(mutex_);

  mutable Mutex mutex_;
  const std::unique_ptr<Database> database_;  // one user at a time: mutex_
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_STORE_H_
