#ifndef ADV_SERVER_EVALUATIONS_POSTGRES_TILE_QUEUE_H_
#define ADV_SERVER_EVALUATIONS_POSTGRES_TILE_QUEUE_H_

#include <memory>
#include <string>
#include <vector>

#include "server/compute/mutex.h"
#include "server/evaluations/postgres.h"
#include "server/evaluations/tile_queue.h"

namespace adv {

// What the store and its queue share: a connection for one of them at a time.
struct SharedConnection {
  Mutex mutex;
  std::unique_ptr<PostgresConnection> connection;  // under `mutex`
};

class PostgresTileQueue final : public TileQueue {
 public:
  // `news` is a second connection, whose session listens. `owner` may be
  // empty, as PostgresStoreOptions'.
  PostgresTileQueue(std::shared_ptr<SharedConnection> shared,
                    std::unique_ptr<PostgresConnection> news, std::string owner,
                    double lease_seconds);
  ~PostgresTileQueue() override;
  PostgresTileQueue(const PostgresTileQueue&) = delete;
  PostgresTileQueue& operator=(const PostgresTileQueue&) = delete;

  absl::StatusOr<int64_t> Enter(const std::string& id, int64_t images) override;
  absl::StatusOr<std::optional<TakenTile>> Take(const std::string& id) override;
  absl::Status Finish(const std::string& id, int64_t tile,
                      const std::vector<v1::EvaluationRecord>& records,
                      const Effort& effort) override;
  absl::Status GiveBack(const std::string& id, int64_t tile) override;
  absl::Status Renew() override;
  absl::StatusOr<bool> End(const v1::Evaluation& evaluation) override;
  absl::StatusOr<std::vector<int64_t>> Done(const std::string& id) override;
  absl::StatusOr<QueueLength> Length() override;
  absl::StatusOr<std::vector<std::string>> RecordsOf(
      const std::string& id, const std::vector<int64_t>& samples) override;
  absl::Status AwaitNews(int milliseconds) override;
  void Wake() override;
  double lease_seconds() const override { return lease_seconds_; }

 private:
  absl::Status FinishOwn(PostgresConnection& connection, const std::string& id,
                         int64_t tile,
                         const std::vector<v1::EvaluationRecord>& records,
                         const Effort& effort);

  const std::shared_ptr<SharedConnection> shared_;
  const std::unique_ptr<PostgresConnection> news_;
  const std::string owner_;
  const double lease_seconds_;
  const int wake_fd_;
};

// Writes the records of the evaluation in row `evaluation` into the table
// `records` or `unfinished`.
absl::Status InsertRecords(PostgresConnection& connection, int64_t evaluation,
                           const std::vector<v1::EvaluationRecord>& records);
absl::Status KeepUnfinished(
    PostgresConnection& connection, int64_t evaluation,
    const std::vector<v1::EvaluationRecord>& unfinished);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_POSTGRES_TILE_QUEUE_H_
