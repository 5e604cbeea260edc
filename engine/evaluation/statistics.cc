#include "engine/evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace adv {

Rate WilsonRate(int64_t count, int64_t total) {
  Rate rate;
  rate.count = count;
  rate.total = total;
  rate.value = std::numeric_limits<double>::quiet_NaN();
  if (total == 0) return rate;

  constexpr double kZ = 1.959963984540054;  // the normal's 97.5 % quantile
  const double n = static_cast<double>(total);
  const double p = static_cast<double>(count) / n;
  // Wilson's interval: the shares q for which p lies within kZ standard errors,
  // (p - q)^2 <= kZ^2 q (1 - q) / n. Its ends are centre - half and centre +
  // half.
  const double scale = 1 + kZ * kZ / n;
  const double centre = (p + kZ * kZ / (2 * n)) / scale;
  const double half =
      kZ / scale * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  rate.value = p;
  // Rounding could put the interval a hair inside [0, 1] where nothing, or
  // everything, was counted. There its end is exact.
  rate.lower = count == 0 ? 0 : std::max(0.0, centre - half);
  rate.upper = count == total ? 1 : std::min(1.0, centre + half);
  return rate;
}

}  // namespace adv
