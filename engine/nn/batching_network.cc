#include "engine/nn/batching_network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace adv {
namespace {

thread_local bool urgent_passes = false;

}  // namespace

struct PassQueue::Request {
  const Network* network;
  const at::Tensor& images;
  const LogitGradient* loss_gradient;  // null: logits alone
  bool urgent;
  LogitsAndGradient found = {};
  std::exception_ptr thrown = nullptr;
  bool done = false;

  int64_t rows() const { return images.size(0); }
  bool Fits(const Request& other) const {
    return network == other.network &&
           (loss_gradient == nullptr) == (other.loss_gradient == nullptr) &&
           (network->exact_in_any_batch() || !network->device().is_cpu());
  }
};

PassQueue::Stats PassQueue::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void PassQueue::Run(Request& request) {
  std::unique_lock<std::mutex> lock(mutex_);
  waiting_.insert(
      request.urgent
          ? std::find_if(waiting_.begin(), waiting_.end(),
                         [](const Request* other) { return !other->urgent; })
          : waiting_.end(),
      &request);
  ++stats_.asked;
  while (!request.done) {
    if (free_ == 0 || waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
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
    changed_.notify_all();
  }
}

std::vector<PassQueue::Request*> PassQueue::TakeBatch() {
  std::vector<Request*> batch = {waiting_.front()};
  int64_t rows = batch.front()->rows();
  waiting_.pop_front();
  const auto taken = [&](Request* other) {
    if (!other->Fits(*batch.front()) || rows + other->rows() > max_rows_) {
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
  try {
    ComputeTogether(batch);
  } catch (...) {
    if (batch.size() == 1) {
      batch.front()->thrown = std::current_exception();
      return;
    }
    // One's fault is no other's.
    for (Request* one : batch) Compute({one});
  }
}

void PassQueue::ComputeTogether(const std::vector<Request*>& batch) const {
  const Network& network = *batch.front()->network;
  std::vector<at::Tensor> images;
  int64_t rows = 0;
  for (const Request* one : batch) {
    images.push_back(one->images.to(network.device()));
    rows += one->rows();
  }
  const int64_t padding =
      network.exact_in_any_batch() || network.device().is_cpu()
          ? 0
          : std::max<int64_t>(max_rows_ - rows, 0);
  const auto pad = [padding](std::vector<at::Tensor> parts) {
    if (padding > 0) {
      std::vector<int64_t> sizes = parts.front().sizes().vec();
      sizes[0] = padding;
      // Laid out as the others; else cat would copy them all to the format of
      // what is expanded, and the network back.
      parts.push_back(parts.front().narrow(0, 0, 1).expand(sizes).contiguous(
          parts.front().suggest_memory_format()));
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  };
  LogitsAndGradient all;
  if (batch.front()->loss_gradient == nullptr) {
    all.logits = network.Logits(pad(images));
  } else {
    all = network.InputGradient(
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
  }
  int64_t row = 0;
  for (Request* one : batch) {
    one->found.logits = all.logits.narrow(0, row, one->rows());
    if (one->loss_gradient != nullptr) {
      one->found.gradient = all.gradient.narrow(0, row, one->rows());
    }
    row += one->rows();
  }
}

BatchingNetwork::BatchingNetwork(std::shared_ptr<const Network> network,
                                 std::shared_ptr<PassQueue> queue)
    : network_(std::move(network)), queue_(std::move(queue)) {}

at::Tensor BatchingNetwork::Logits(const at::Tensor& images) const {
  PassQueue::Request request{network_.get(), images, nullptr, urgent_passes};
  queue_->Run(request);
  if (request.thrown) std::rethrow_exception(request.thrown);
  return request.found.logits;
}

LogitsAndGradient BatchingNetwork::InputGradient(
    const at::Tensor& images, const LogitGradient& loss_gradient) const {
  PassQueue::Request request{network_.get(), images, &loss_gradient,
                             urgent_passes};
  queue_->Run(request);
  if (request.thrown) std::rethrow_exception(request.thrown);
  return std::move(request.found);
}

UrgentPasses::UrgentPasses(bool urgent) : before_(urgent_passes) {
  urgent_passes = urgent;
}

UrgentPasses::~UrgentPasses() { urgent_passes = before_; }

}  // namespace adv
