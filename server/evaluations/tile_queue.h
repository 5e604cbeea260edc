#ifndef ADV_SERVER_EVALUATIONS_TILE_QUEUE_H_
#define ADV_SERVER_EVALUATIONS_TILE_QUEUE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "server/evaluations/evaluation_store.h"

namespace adv {

struct TakenTile {
  int64_t number = 0;
  // Somebody took it before: there may be unfinished records of its samples.
  bool again = false;
};

// Tiles that are not done, of all evaluations that are underway. The reports
// are not counted.
struct QueueLength {
  int64_t waiting = 0;  // for a server
  int64_t taken = 0;    // by one whose lease runs
};

// The tiles of the evaluations of one store, shared by several servers. Each
// tile is computed by one server at a time, which holds it by a lease; time is
// that of the database. A tile's records do not depend on who computes it.
//
// The tiles of an evaluation have the numbers 0 to N - 1, in the order of its
// samples, each of the same number of images but for the last. Number N is the
// report: it is given when all others are done.
//
// Errors are those of the store; UNAVAILABLE while the database is away. Each
// call is one transaction and may be made again when it failed so.
// Implementations are thread-safe.
class TileQueue {
 public:
  virtual ~TileQueue() = default;

  // Makes the tiles of an evaluation whose state is QUEUED or RUNNING, unless
  // it has them; `images` is the size of each. Returns the size that they have.
  virtual absl::StatusOr<int64_t> Enter(const std::string& id,
                                        int64_t images) = 0;

  // A tile that waits, or whose lease has run out; it is this server's now.
  // None if there is none, or if the evaluation has ended. An evaluation ends
  // as FAILED when the lease of one tile runs out for the tenth time: it takes
  // servers down.
  virtual absl::StatusOr<std::optional<TakenTile>> Take(
      const std::string& id) = 0;

  // Stores the records of a tile with what was not told yet of its cost, and
  // marks it done. ABORTED, and nothing is stored, if it is this server's no
  // more, or if the evaluation has ended or is gone. A call that was
  // UNAVAILABLE may have succeeded: the same again is OK then.
  virtual absl::Status Finish(const std::string& id, int64_t tile,
                              const std::vector<v1::EvaluationRecord>& records,
                              const Effort& effort) = 0;

  // The tile waits again, if it was this server's.
  virtual absl::Status GiveBack(const std::string& id, int64_t tile) = 0;

  // Prolongs the leases of all tiles of this server.
  virtual absl::Status Renew() = 0;

  // Ends an evaluation that is QUEUED or RUNNING as `evaluation` says (state,
  // error, finished_at and report). False if it was not underway.
  virtual absl::StatusOr<bool> End(const v1::Evaluation& evaluation) = 0;

  // Numbers of the tiles that are done, whoever did them.
  virtual absl::StatusOr<std::vector<int64_t>> Done(const std::string& id) = 0;
  virtual absl::StatusOr<QueueLength> Length() = 0;
  // Serialized records of these samples, in index order; of those that have
  // one.
  virtual absl::StatusOr<std::vector<std::string>> RecordsOf(
      const std::string& id, const std::vector<int64_t>& samples) = 0;

  // Waits until something may have changed: new work, progress, an end, or
  // Wake; at most so long. Not by two threads at once.
  virtual absl::Status AwaitNews(int milliseconds) = 0;
  // Ends AwaitNews, or the next one.
  virtual void Wake() = 0;

  // Seconds that a tile stays this server's without Renew.
  virtual double lease_seconds() const = 0;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_TILE_QUEUE_H_
