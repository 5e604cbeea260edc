#ifndef ADV_ENGINE_NN_BATCHING_NETWORK_H_
#define ADV_ENGINE_NN_BATCHING_NETWORK_H_

#include <ATen/core/Tensor.h>

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
  // alone.
  PassQueue(int at_once, int64_t max_rows)
      : max_rows_(max_rows), free_(at_once) {}
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
  // Results, or what was thrown.
  void Compute(const std::vector<Request*>& batch) const;
  void ComputeTogether(const std::vector<Request*>& batch) const;

  const int64_t max_rows_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request*> waiting_;  // urgent ones first
  int free_;
  Stats stats_;
};

// A network whose passes go through a queue. Its results do not depend on what
// else is computed with them: where they might, on a GPU each pass of at most
// `max_rows` images is padded to that number, and on a CPU, where padding would
// cost what it does, each is computed alone.
class BatchingNetwork final : public Network {
 public:
  // Neither may be null.
  BatchingNetwork(std::shared_ptr<const Network> network,
                  std::shared_ptr<PassQueue> queue);

  int64_t num_classes() const override { return network_->num_classes(); }
  std::vector<int64_t> image_shape() const override {
    return network_->image_shape();
  }
  at::Device device() const override { return network_->device(); }
  Access access() const override { return network_->access(); }
  bool exact_in_any_batch() const override {
    return network_->exact_in_any_batch();
  }
  at::Tensor Logits(const at::Tensor& images) const override;
  LogitsAndGradient InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override;

 private:
  const std::shared_ptr<const Network> network_;
  const std::shared_ptr<PassQueue> queue_;
};

// While one lives, this thread's passes go before those of others.
class UrgentPasses {
 public:
  explicit UrgentPasses(bool urgent);
  ~UrgentPasses();
  UrgentPasses(const UrgentPasses&) = delete;
  UrgentPasses& operator=(const UrgentPasses&) = delete;

 private:
  const bool before_;
};

}  // namespace adv

#endif  // ADV_ENGINE_NN_BATCHING_NETWORK_H_
