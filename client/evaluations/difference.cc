#include "client/evaluations/difference.h"

#include <cmath>

namespace adv {
namespace {

// Unlike std::hypot, this has the same last bits everywhere.
double Root(double x, double y) { return std::sqrt(x * x + y * y); }

}  // namespace

Difference MakeDifference(const v1::Rate& a, const v1::Rate& b) {
  const double value = a.value() - b.value();
  // Newcombe's method 10: each bound combines the distances of both shares to
  // the ends of their intervals that lie that way.
  const double down = Root(a.value() - a.lower(), b.upper() - b.value());
  const double up = Root(a.upper() - a.value(), b.value() - b.lower());
  return {value, value - down, value + up};
}

bool ExcludesZero(const Difference& difference) {
  return difference.lower > 0 || difference.upper < 0;
}

}  // namespace adv
