#ifndef ADV_ENGINE_NN_BATCHING_NETWORK_H_
#define ADV_ENGINE_NN_BATCHING_NETWORK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/nn/network.h"

namespace adv {

// Where the passes of many threads wait for the processor, and share it: what
// waits for one network and is of one kind (logits, or logits and gradient) is
// computed together, in batches of `max_rows`. So the images that an attack
// has not finished with fill up the room that those of another left, whatever
// the two attacks are and whoever asked for them. A pass that is larger is
// computed in pieces, between which urgent ones go first.
//
// There is no thread of its own: whoever waits computes the next batch as soon
// as there is room, his own pass in it or not.
//
// Thread-safe.
class PassQueue {
 public:
  // So many urgent passes in a row, then a patient one that waits has its turn.
  static constexpr int kBurst = 8;

  // `at_once` passes are computed at a time, at least 1: one for each core or
  // GPU. `max_rows`, at least 1: images of one pass. A larger pass is cut if
  // the network is exact in any batch, and computed alone otherwise. `pads`:
  // where a network's results might depend on the shape of the call, each pass
  // is padded to `max_rows`. That is right on a GPU, which computes so many as
  // fast as fewer; otherwise such passes are computed alone, since a CPU's
  // padding would cost what it does.
  PassQueue(int at_once, int64_t max_rows, bool pads = false)
      : max_rows_(max_rows), pads_(pads), free_(at_once) {}
  PassQueue(const PassQueue&) = delete;
  PassQueue& operator=(const PassQueue&) = delete;

  struct Stats {
    int64_t passes = 0;  // computed
    int64_t asked = 0;   // passes that were asked for
    int64_t rows = 0;    // images in them, without padding
  };
  Stats stats() const;

 private:
  friend class BatchingNetwork;
  struct Request;
  struct Piece;

  // Returns when the request has its result.
  void Run(Request& request);
  // The first whose turn it is, and what can be computed with it. Holds the
  // mutex.
  std::vector<Piece> TakeBatch();
  // The place in `waiting_` of the request whose turn it is.
  size_t NextTurn();
  // What waits of a request, or as many rows as there is room for if it may be
  // cut; nothing if it does not fit. Holds the mutex.
  std::optional<Piece> Take(Request& request, int64_t room) const;
  // Whether both can be computed in one pass.
  bool Fits(const Request& one, const Request& other) const;
  // Results, what they failed with, or what was thrown.
  void Compute(std::vector<Piece>& batch) const;
  absl::Status ComputeTogether(const std::vector<Piece>& batch) const;

  const int64_t max_rows_;
  const bool pads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request*> waiting_;  // urgent ones first
  int urgent_in_a_row_ = 0;
  int free_;
  Stats stats_;
};

// Whose passes go first where several wait.
enum class Urgency { kPatient, kUrgent };

// A network whose passes go through a queue. Its results do not depend on what
// else is computed with them.
class BatchingNetwork final : public Network {
 public:
  // Neither may be null. Networks of different urgency may share both.
  BatchingNetwork(std::shared_ptr<const Network> network,
                  std::shared_ptr<PassQueue> queue,
                  Urgency urgency = Urgency::kPatient);

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override;
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override;
  const Network* Fast() const override;

 private:
  const std::shared_ptr<const Network> network_;
  const std::shared_ptr<PassQueue> queue_;
  const Urgency urgency_;
  mutable std::once_flag fast_made_;
  mutable std::unique_ptr<const BatchingNetwork> fast_;
};

}  // namespace adv

#endif  // ADV_ENGINE_NN_BATCHING_NETWORK_H_
