#ifndef ADV_CLIENT_ATTACKS_EPSILON_H_
#define ADV_CLIENT_ATTACKS_EPSILON_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adv/v1/attack.pb.h"

namespace adv {

// Largest number of values one range may stand for.
inline constexpr int kMaxRangeValues = 1000;

// Reads one size of a perturbation: "8/255" in grey levels (0/255 to 255/255)
// or "0.031" in pixel units (0 to 1). A bare number above 1 is an error that
// suggests levels, because "2" almost always means 2/255. In L2 a size is of
// the whole image, and may be larger.
absl::StatusOr<v1::Epsilon> ParseEpsilon(const std::string& text,
                                         v1::Norm norm = v1::NORM_LINF);

// Reads the size of a step, which is above 0.
absl::StatusOr<v1::Epsilon> ParseStepSize(const std::string& text,
                                          v1::Norm norm = v1::NORM_LINF);

// Reads values and ranges with commas between: "0.01,2/255" or
// "0:8/255:1/255" (start, last, step; the last value is included). Blanks
// around commas and colons do not matter, and a size that is there twice is
// there once. The error has a line for each wrong one.
absl::StatusOr<std::vector<v1::Epsilon>> ParseEpsilons(
    const std::string& text, v1::Norm norm = v1::NORM_LINF);

// In pixel units.
double Pixels(const v1::Epsilon& epsilon);

// Whether they are one size, whatever the units and the last digits.
bool SameSize(const v1::Epsilon& a, const v1::Epsilon& b);

// The way people write it: "8/255" or "0.031", whatever the unit, to six
// digits. The value must be finite.
std::string EpsilonText(const v1::Epsilon& epsilon);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_EPSILON_H_
