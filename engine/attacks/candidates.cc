#include "engine/attacks/candidates.h"

#include <ATen/ATen.h>

#include <limits>
#include <vector>

#include "engine/attacks/layout.h"

namespace adv {
namespace {

// Copies the entries of `from` at the positions `chosen` to `rows` of `to`.
void Copy(const at::Tensor& from, const at::Tensor& chosen,
          const at::Tensor& rows, at::Tensor& to) {
  to.index_copy_(0, rows, SelectRows(from, chosen));
}

}  // namespace

void FinishAt(const at::Tensor& result_rows, const at::Tensor& images,
              const at::Tensor& logits, Candidates& found) {
  if (result_rows.size(0) == found.rows.size(0)) {
    // All images of the run end at once, so their tensors are the result and
    // nothing is copied.
    found.images = images;
    found.logits = logits;
    return;
  }
  if (!found.logits.defined()) {
    // Only the first logits tell the number of classes, so there is no memory
    // for results before them.
    found.logits = logits.new_empty({found.rows.size(0), logits.size(1)});
    found.images = at::empty_like(found.images);
  }
  found.images.index_copy_(0, result_rows, images);
  found.logits.index_copy_(0, result_rows, logits);
}

void NoteFooled(const at::Tensor& result_rows, int64_t n, Candidates& found) {
  const at::Tensor before = found.iterations.index_select(0, result_rows);
  found.iterations.index_copy_(0, result_rows,
                               before.masked_fill(before.eq(-1), n));
}

Candidates CleanCandidates(const at::Tensor& images, const at::Tensor& logits,
                           const at::Tensor& fooled) {
  // Iterations are 0 where the clean image fools, else -1. The objective loses
  // to that of any other run.
  return {at::arange(images.size(0), fooled.options().dtype(at::kLong)),
          images,
          logits,
          fooled.to(at::kLong).sub(1),
          fooled,
          at::full_like(fooled, -std::numeric_limits<double>::infinity(),
                        at::kFloat)};
}

at::Tensor OthersByLogit(const at::Tensor& logits, const at::Tensor& classes) {
  return at::argsort(logits.scatter(1, classes.unsqueeze(1),
                                    -std::numeric_limits<double>::infinity()),
                     /*stable=*/true, /*dim=*/1, /*descending=*/true);
}

at::Tensor WorstOf::Add(const Candidates& found) {
  if (!seen_.defined()) {
    // The first candidates show the shapes, types and device of what is kept.
    const auto all = [this](const at::Tensor& some) {
      std::vector<int64_t> sizes = some.sizes().vec();
      sizes[0] = count_;
      // The layout is named here because a tensor of no images does not show
      // its own.
      return at::empty(sizes, some.options(),
                       sizes.size() == 4 ? at::MemoryFormat::ChannelsLast
                                         : at::MemoryFormat::Contiguous)
          .zero_();
    };
    best_.images = all(found.images);
    best_.logits = all(found.logits);
    best_.iterations = all(found.iterations);
    best_.fooled = all(found.fooled);
    best_.objective = all(found.objective);
    seen_ = all(found.fooled);
  }
  const at::Tensor had = best_.fooled.index_select(0, found.rows);
  const at::Tensor seen = seen_.index_select(0, found.rows);
  const at::Tensor larger =
      found.objective.gt(best_.objective.index_select(0, found.rows));
  // The first success of an image remains. Before it, a success, a larger
  // objective or the first candidate of all takes over.
  const at::Tensor worse = had.logical_not().logical_and_(
      found.fooled.logical_or(larger).logical_or_(seen.logical_not()));
  const at::Tensor chosen = PositionsOf(worse);
  const at::Tensor rows = found.rows.index_select(0, chosen);
  Copy(found.images, chosen, rows, best_.images);
  Copy(found.logits, chosen, rows, best_.logits);
  Copy(found.iterations, chosen, rows, best_.iterations);
  Copy(found.fooled, chosen, rows, best_.fooled);
  Copy(found.objective, chosen, rows, best_.objective);
  seen_.index_fill_(0, rows, true);
  return rows;
}

at::Tensor WorstOf::RowsToAttack(at::Device device) const {
  if (!seen_.defined()) {
    return at::arange(count_, at::device(device).dtype(at::kLong));
  }
  return PositionsOf(best_.fooled.logical_not());
}

void WorstOf::WriteTo(AttackResult& result, int64_t first,
                      int64_t count) const {
  TORCH_CHECK(seen_.defined() && seen_.all().item<bool>(),
              "an image was never attacked");
  result.images = best_.images.narrow(0, first, count);
  result.logits = best_.logits.narrow(0, first, count);
  result.iterations = best_.iterations.narrow(0, first, count);
}

}  // namespace adv
