#include "engine/nn/batching_network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <exception>
#include <optional>
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
  int64_t taken = 0;    // rows, from the first on
  bool waiting = true;  // with the other rows, or with none
  int computing = 0;    // pieces

  int64_t rows() const { return images.size(0); }
  bool done() const { return !waiting && computing == 0; }
};

// Some rows of a request, in one batch.
struct PassQueue::Piece {
  Request* request;
  int64_t first;
  int64_t rows;
  absl::Status status = absl::OkStatus();
  std::exception_ptr thrown = nullptr;

  bool whole() const { return rows == request->rows(); }
  at::Tensor Of(const at::Tensor& all) const {
    return whole() ? all : all.narrow(0, first, rows);
  }
  // The gradient of these rows' loss, for their logits.
  at::Tensor LossGradient(const at::Tensor& logits) const {
    const LogitGradient& loss_gradient = *request->loss_gradient;
    if (whole()) return loss_gradient(logits);
    // The caller's function takes all rows of its pass.
    const at::Tensor all =
        at::zeros({request->rows(), logits.size(1)}, logits.options());
    Of(all).copy_(logits);
    return Of(loss_gradient(all));
  }
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
  while (!request.done()) {
    // An empty queue means that other threads compute this request already.
    if (free_ == 0 || waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    // The batch may lack this thread's own request; then the loop goes on.
    std::vector<Piece> batch = TakeBatch();
    --free_;
    ++stats_.passes;
    lock.unlock();
    Compute(batch);
    lock.lock();
    ++free_;
    for (const Piece& piece : batch) {
      Request& of = *piece.request;
      --of.computing;
      if (of.status.ok()) of.status = piece.status;
      if (!of.thrown) of.thrown = piece.thrown;
      stats_.rows += piece.rows;
    }
    // Wake all: those whose requests are done, and one that takes the free
    // place.
    changed_.notify_all();
  }
}

size_t PassQueue::NextTurn() {
  const auto first_patient = std::find_if(
      waiting_.begin(), waiting_.end(), [](const Request* request) {
        return request->urgency == Urgency::kPatient;
      });
  const bool patient_turn =
      first_patient != waiting_.end() &&
      (first_patient == waiting_.begin() || urgent_in_a_row_ >= kBurst);
  urgent_in_a_row_ = patient_turn ? 0 : urgent_in_a_row_ + 1;
  return patient_turn ? first_patient - waiting_.begin() : 0;
}

std::optional<PassQueue::Piece> PassQueue::Take(Request& request,
                                                int64_t room) const {
  const int64_t first = request.taken;
  int64_t rows = request.rows() - first;
  if (rows > room) {
    if (!request.network->traits().exact_in_any_batch) return std::nullopt;
    rows = room;
  }
  request.taken += rows;
  request.waiting = request.taken < request.rows();
  ++request.computing;
  // Its first piece: the others will come to the same tensors.
  if (first == 0 && request.waiting) {
    const auto options =
        at::TensorOptions(at::kFloat).device(request.network->traits().device);
    request.found.logits =
        at::empty({request.rows(), request.network->traits().classes}, options);
    if (request.loss_gradient != nullptr) {
      request.found.gradient = at::empty(
          request.images.sizes(),
          options.memory_format(request.images.suggest_memory_format()));
    }
  }
  return Piece{&request, first, rows};
}

std::vector<PassQueue::Piece> PassQueue::TakeBatch() {
  Request& leader = *waiting_[NextTurn()];
  // What is not cut is computed whole, however large.
  std::vector<Piece> batch = {
      *Take(leader, leader.network->traits().exact_in_any_batch
                        ? max_rows_
                        : std::max(max_rows_, leader.rows()))};
  int64_t room = max_rows_ - batch.front().rows;
  for (Request* other : waiting_) {
    if (room <= 0) break;
    if (other == &leader || !Fits(*other, leader)) continue;
    // One that is not cut and does not fit is passed over, so that smaller ones
    // behind it can fill the room.
    if (const std::optional<Piece> piece = Take(*other, room)) {
      room -= piece->rows;
      batch.push_back(*piece);
    }
  }
  waiting_.erase(
      std::remove_if(waiting_.begin(), waiting_.end(),
                     [](const Request* request) { return !request->waiting; }),
      waiting_.end());
  return batch;
}

void PassQueue::Compute(std::vector<Piece>& batch) const {
  absl::Status status;
  std::exception_ptr thrown;
  try {
    status = ComputeTogether(batch);
  } catch (...) {
    thrown = std::current_exception();
  }
  if (status.ok() && thrown == nullptr) return;
  if (batch.size() == 1) {
    batch.front().status = status;
    batch.front().thrown = thrown;
    return;
  }
  // One request may have made the whole batch fail. Each runs again alone, so
  // that only a faulty one gets an error.
  for (Piece& piece : batch) {
    std::vector<Piece> alone = {piece};
    Compute(alone);
    piece = alone.front();
  }
}

absl::Status PassQueue::ComputeTogether(const std::vector<Piece>& batch) const {
  const Network& network = *batch.front().request->network;
  std::vector<at::Tensor> images;
  int64_t rows = 0;
  for (const Piece& piece : batch) {
    images.push_back(
        piece.Of(piece.request->images).to(network.traits().device));
    rows += piece.rows;
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
  if (batch.front().request->loss_gradient == nullptr) {
    absl::StatusOr<at::Tensor> logits = network.Logits(pad(images));
    if (!logits.ok()) return logits.status();
    all.logits = *std::move(logits);
  } else {
    absl::StatusOr<LogitsAndGradient> found = network.InputGradient(
        // Each request's loss sees only the logits of its own rows.
        pad(images), [&batch, &pad](const at::Tensor& logits) {
          std::vector<at::Tensor> gradients;
          int64_t row = 0;
          for (const Piece& piece : batch) {
            gradients.push_back(
                piece.LossGradient(logits.narrow(0, row, piece.rows)));
            row += piece.rows;
          }
          return pad(gradients);
        });
    if (!found.ok()) return found.status();
    all = *std::move(found);
  }
  // Every request gets its own rows; they come in the order of the batch.
  int64_t row = 0;
  const auto give = [&row](const Piece& piece, const at::Tensor& from,
                           at::Tensor& to) {
    const at::Tensor own = from.narrow(0, row, piece.rows);
    if (piece.whole()) {
      to = own;
    } else {
      piece.Of(to).copy_(own);
    }
  };
  for (const Piece& piece : batch) {
    LogitsAndGradient& found = piece.request->found;
    give(piece, all.logits, found.logits);
    if (piece.request->loss_gradient != nullptr) {
      give(piece, all.gradient, found.gradient);
    }
    row += piece.rows;
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
