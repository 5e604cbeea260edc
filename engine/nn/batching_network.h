#ifndef ADV_ENGINE_NN_BATCHING_NETWORK_H_
#define ADV_ENGINE_NN_BATCHING_NETWORK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/nn/network.h"

namespace adv {

// Where the passes of many threads wait for the processor, and share it: what
// waits for one network and is of one kind (logits, or logits and gradient) is
// computed together, up to a batch of `max_rows`. So the images that an attack
// has not finished with fill up the room that those of another left, whatever
// the two attacks are and whoever asked for them.
//
// There is no thread of its own: whoever waits computes the next batch as soon
// as there is room, his own pass in it or not.
//
// Thread-safe.
class PassQueue {
 public:
  // `at_once` passes are computed at a time, at least 1: one for each core or
  // GPU. `max_rows`, at least 1: images of one pass; a larger pass is computed
  // alone. `pads`: where a network's results might depend on the shape of the
  // call, each pass is padded to `max_rows`. That is right on a GPU, which
  // computes so many as fast as fewer; otherwise such passes are computed
  // alone, since a CPU's padding would cost what it does.
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

  // Returns when the request has its result.
  void Run(Request& request);
  // The first that waits, and what can be computed with it. Holds the mutex.
  std::vector<Request*> TakeBatch();
  // Whether both can be computed in one pass.
  bool Fits(const Request& one, const Request& other) const;
  // Results, what they failed with, or what was thrown.
  void Compute(const std::vector<Request*>& batch) const;
  absl::Status ComputeTogether(const std::vector<Request*>& batch) const;

  const int64_t max_rows_;
  const bool pads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request*> waiting_;  // urgent ones first
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
