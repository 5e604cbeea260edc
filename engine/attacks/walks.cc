#include "engine/attacks/walks.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/attacks/layout.h"

namespace adv {

Walks Walks::Select(const at::Tensor& kept) const {
  if (kept.size(0) == rows.size(0)) return *this;
  return {rows.index_select(0, kept),
          SelectRows(images, kept),
          ball.Select(kept),
          step_sizes.index_select(0, kept),
          remaining.index_select(0, kept),
          taken.index_select(0, kept),
          fooled_at.index_select(0, kept),
          momentum.defined() ? SelectRows(momentum, kept) : momentum};
}

Walks Walks::Join(const Walks& other) const {
  // Either both sides have momentum or neither has: walks that keep it take
  // their first step before they join others.
  return {at::cat({rows, other.rows}),
          at::cat({images, other.images}),
          ball.Join(other.ball),
          at::cat({step_sizes, other.step_sizes}),
          at::cat({remaining, other.remaining}),
          at::cat({taken, other.taken}),
          at::cat({fooled_at, other.fooled_at}),
          momentum.defined() ? at::cat({momentum, other.momentum}) : momentum};
}

void Arrived::Add(const Arrived& more) {
  if (size() == 0) {
    *this = more;
    return;
  }
  rows = at::cat({rows, more.rows});
  images = at::cat({images, more.images});
  steps = at::cat({steps, more.steps});
  fooled_at = at::cat({fooled_at, more.fooled_at});
}

Arrived Arrived::TakeFirst(int64_t count) {
  count = std::min(count, size());
  const auto part = [this](int64_t begin, int64_t end) {
    return Arrived{rows.slice(0, begin, end), images.slice(0, begin, end),
                   steps.slice(0, begin, end), fooled_at.slice(0, begin, end)};
  };
  Arrived taken = part(0, count);
  *this = part(count, size());
  return taken;
}

}  // namespace adv
