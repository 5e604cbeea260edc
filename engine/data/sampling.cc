#include "engine/data/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace adv {
namespace {

// A uniform number in [0, bound), bound >= 1. Values from the last multiple of
// bound on are drawn again; else small remainders would be more likely.
uint64_t Below(uint64_t bound, std::mt19937_64* random) {
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  const uint64_t limit = most - most % bound;  // a multiple of bound
  while (true) {
    const uint64_t value = (*random)();
    if (value < limit) return value % bound;
  }
}

}  // namespace

std::map<int64_t, std::vector<int64_t>> IndicesByLabel(
    const at::Tensor& labels) {
  const at::Tensor values = labels.contiguous();
  const int64_t* value = values.data_ptr<int64_t>();
  // A map, so that the labels come in rising order.
  std::map<int64_t, std::vector<int64_t>> indices;
  for (int64_t i = 0; i < values.size(0); ++i) {
    indices[value[i]].push_back(i);
  }
  return indices;
}

std::vector<int64_t> Choose(std::vector<int64_t> items, int64_t count,
                            std::mt19937_64* random) {
  const uint64_t size = items.size();
  const uint64_t chosen = std::min(size, static_cast<uint64_t>(count));
  for (uint64_t i = 0; i < chosen; ++i) {  // Fisher and Yates, from the front
    std::swap(items[i], items[i + Below(size - i, random)]);
  }
  items.resize(chosen);
  return items;
}

}  // namespace adv
