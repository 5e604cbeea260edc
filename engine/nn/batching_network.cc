#include "engine/nn/batching_network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace adv {

// One caller's pass. It lies on the caller's stack, and refers to the caller's
// tensors: that is safe because Run returns only when the request is done.
struct PassQueue::Request {
  const Network* network;
  const at::Tensor& images;
  const LogitGradient* loss_gradient;  // null: logits alone
  Urgency urgency;
  LogitsAndGradient found = {};
  absl::Status status = absl::OkStatus();
  std::exception_ptr thrown = nullptr;
  bool done = false;

  int64_t rows() const { return images.size(0); }
};

// Without padding, only networks whose results do not depend on the batch may
// share a pass; else the neighbours in it would change an image's bits.
bool PassQueue::Fits(const Request& one, const Request& other) const {
  return one.network == other.network &&
         (one.loss_gradient == nullptr) == (other.loss_gradient == nullptr) &&
         (pads_ || one.network->traits().exact_in_any_batch);
}

PassQueue::Stats PassQueue::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void PassQueue::Run(Request& request) {
  std::unique_lock<std::mutex> lock(mutex_);
  // An urgent request goes behind the other urgent ones and before the first
  // patient one.
  waiting_.insert(request.urgency == Urgency::kUrgent
                      ? std::find_if(waiting_.begin(), waiting_.end(),
                                     [](const Request* other) {
                                       return other->urgency ==
                                              Urgency::kPatient;
                                     })
                      : waiting_.end(),
                  &request);
  ++stats_.asked;
  while (!request.done) {
    // An empty queue means that another thread computes this request already.
    if (free_ == 0 || waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    // The batch may lack this thread's own request; then the loop goes on.
    const std::vector<Request*> batch = TakeBatch();
    --free_;
    ++stats_.passes;
    lock.unlock();
    Compute(batch);
    lock.lock();
    ++free_;
    for (Request* one : batch) {
      one->done = true;
      stats_.rows += one->rows();
    }
    // Wake all: those whose requests are done, and one that takes the free
    // place.
    changed_.notify_all();
  }
}

std::vector<PassQueue::Request*> PassQueue::TakeBatch() {
  std::vector<Request*> batch = {waiting_.front()};
  int64_t rows = batch.front()->rows();
  waiting_.pop_front();
  // Takes a request out of the queue if it still fits. A large one that does
  // not is passed over, so that smaller ones behind it can fill the room.
  const auto taken = [&](Request* other) {
    if (!Fits(*other, *batch.front()) || rows + other->rows() > max_rows_) {
      return false;
    }
    rows += other->rows();
    batch.push_back(other);
    return true;
  };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), taken),
                 waiting_.end());
  return batch;
}

void PassQueue::Compute(const std::vector<Request*>& batch) const {
  absl::Status status;
  std::exception_ptr thrown;
  try {
    status = ComputeTogether(batch);
  } catch (...) {
    thrown = std::current_exception();
  }
  if (status.ok() && thrown == nullptr) return;
  if (batch.size() == 1) {
    batch.front()->status = status;
    batch.front()->thrown = thrown;
    return;
  }
  // One request may have made the whole batch fail. Each runs again alone, so
  // that only a faulty one gets an error.
  for (Request* one : batch) Compute({one});
}

absl::Status PassQueue::ComputeTogether(
    const std::vector<Request*>& batch) const {
  const Network& network = *batch.front()->network;
  std::vector<at::Tensor> images;
  int64_t rows = 0;
  for (const Request* one : batch) {
    images.push_back(one->images.to(network.traits().device));
    rows += one->rows();
  }
  // A single request may be larger than max_rows_; then nothing is padded.
  const int64_t padding = pads_ && !network.traits().exact_in_any_batch
                              ? std::max<int64_t>(max_rows_ - rows, 0)
                              : 0;
  // All parts in one tensor, then copies of the first row up to the full size.
  // What the network gives for those copies is never read.
  const auto pad = [padding](std::vector<at::Tensor> parts) {
    if (padding > 0) {
      std::vector<int64_t> sizes = parts.front().sizes().vec();
      sizes[0] = padding;
      // The padding has the memory format of the other parts. Otherwise cat
      // would copy them all to the format of what is expanded, and the network
      // back.
      parts.push_back(parts.front().narrow(0, 0, 1).expand(sizes).contiguous(
          parts.front().suggest_memory_format()));
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  };
  LogitsAndGradient all;
  if (batch.front()->loss_gradient == nullptr) {
    absl::StatusOr<at::Tensor> logits = network.Logits(pad(images));
    if (!logits.ok()) return logits.status();
    all.logits = *std::move(logits);
  } else {
    absl::StatusOr<LogitsAndGradient> found = network.InputGradient(
        // Each request's loss sees only the logits of its own rows.
        pad(images), [&batch, &pad](const at::Tensor& logits) {
          std::vector<at::Tensor> gradients;
          int64_t row = 0;
          for (const Request* one : batch) {
            gradients.push_back(
                (*one->loss_gradient)(logits.narrow(0, row, one->rows())));
            row += one->rows();
          }
          return pad(gradients);
        });
    if (!found.ok()) return found.status();
    all = *std::move(found);
  }
  // Every request gets its own rows; they come in the order of the batch.
  int64_t row = 0;
  for (Request* one : batch) {
    one->found.logits = all.logits.narrow(0, row, one->rows());
    if (one->loss_gradient != nullptr) {
      one->found.gradient = all.gradient.narrow(0, row, one->rows());
    }
    row += one->rows();
  }
  return absl::OkStatus();
}

BatchingNetwork::BatchingNetwork(std::shared_ptr<const Network> network,
                                 std::shared_ptr<PassQueue> queue,
                                 Urgency urgency)
    : Network(network->traits()),
      network_(std::move(network)),
      queue_(std::move(queue)),
      urgency_(urgency) {}

absl::StatusOr<at::Tensor> BatchingNetwork::Logits(
    const at::Tensor& images) const {
  PassQueue::Request request{network_.get(), images, nullptr, urgency_};
  queue_->Run(request);
  if (request.thrown) std::rethrow_exception(request.thrown);
  if (!request.status.ok()) return request.status;
  return request.found.logits;
}

absl::StatusOr<LogitsAndGradient> BatchingNetwork::InputGradient(
    const at::Tensor& images, const LogitGradient& loss_gradient) const {
  PassQueue::Request request{network_.get(), images, &loss_gradient, urgency_};
  queue_->Run(request);
  if (request.thrown) std::rethrow_exception(request.thrown);
  if (!request.status.ok()) return request.status;
  return std::move(request.found);
}

const Network* BatchingNetwork::Fast() const {
  std::call_once(fast_made_, [this] {
    const Network* fast = network_->Fast();
    if (fast == nullptr) return;
    fast_ = std::make_unique<const BatchingNetwork>(
        std::shared_ptr<const Network>(network_, fast), queue_, urgency_);
  });
  return fast_.get();
}

}  // namespace adv
