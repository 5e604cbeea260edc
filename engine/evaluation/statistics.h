#ifndef ADV_ENGINE_EVALUATION_STATISTICS_H_
#define ADV_ENGINE_EVALUATION_STATISTICS_H_

#include <cstdint>

namespace adv {

// A share with its 95 % Wilson score interval (Wilson 1927).
struct Rate {
  int64_t count = 0;
  int64_t total = 0;
  double value = 0;  // count / total; NaN if total is 0
  double lower = 0;  // interval within [0, 1]; [0, 1] itself if total is 0
  double upper = 1;
};

// 0 <= count <= total.
Rate WilsonRate(int64_t count, int64_t total);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_STATISTICS_H_
