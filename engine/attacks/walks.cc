#include "engine/attacks/walks.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/attacks/layout.h"

namespace adv {

Walks Walks::Select(const at::Tensor& chosen) const {
  // As many in rising order are all of them, and nothing needs a copy.
  if (chosen.size(0) == rows.size(0)) return *this;
  return {rows.index_select(0, chosen),
          SelectRows(images, chosen),
          ball.Select(chosen),
          step_sizes.index_select(0, chosen),
          remaining.index_select(0, chosen),
          taken.index_select(0, chosen),
          fooled_at.index_select(0, chosen),
          momentum.defined() ? SelectRows(momentum, chosen) : momentum};
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
  // An empty one may have undefined tensors, which nothing can be joined to.
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
  // Slices share the memory, so nothing is copied before the next Add.
  const auto part = [this](int64_t begin, int64_t end) {
    return Arrived{rows.slice(0, begin, end), images.slice(0, begin, end),
                   steps.slice(0, begin, end), fooled_at.slice(0, begin, end)};
  };
  Arrived taken = part(0, count);
  *this = part(count, size());
  return taken;
}

}  // namespace adv
