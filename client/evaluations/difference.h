#ifndef ADV_CLIENT_EVALUATIONS_DIFFERENCE_H_
#define ADV_CLIENT_EVALUATIONS_DIFFERENCE_H_

#include "adv/v1/evaluation.pb.h"

namespace adv {

// A difference of two shares, in [-1, 1], with its 95 % interval.
struct Difference {
  double value;
  double lower;
  double upper;
};

// `a` minus `b`, both with at least one image and their Wilson intervals. The
// interval is Newcombe's hybrid score interval: method 10 of R. G. Newcombe,
// "Interval estimation for the difference between independent proportions:
// comparison of eleven methods", Statistics in Medicine 17 (1998) 873-890.
//
// The interval assumes that the shares are independent. Two models measured on
// the same images mostly fail on the same ones, so their difference varies
// less. The interval is then wider than necessary, and an interval that
// excludes 0 can be relied on.
Difference MakeDifference(const v1::Rate& a, const v1::Rate& b);

// Whether 0 is outside the interval.
bool ExcludesZero(const Difference& difference);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_DIFFERENCE_H_
