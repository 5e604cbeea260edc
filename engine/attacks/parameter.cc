#include "engine/attacks/parameter.h"

#include <absl/strings/str_cat.h>

namespace adv::parameter {

bool Range::Contains(double value) const {
  return (above_low ? value > low : value >= low) && value <= high;
}

std::string Range::Brackets() const {
  return absl::StrCat(above_low ? "(" : "[", low, ", ", high, "]");
}

std::string Range::Words() const {
  return above_low ? absl::StrCat("above ", low, ", at most ", high)
                   : absl::StrCat(low, " to ", high);
}

}  // namespace adv::parameter
