#include "client/attacks/epsilon.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace adv {
namespace {

// Grey levels in the whole range of a pixel: 8 levels are 8/255 in pixel units.
constexpr double kLevels = 255;

// The number that the whole text is; nothing for "1x", " 1", "inf" or "nan".
// from_chars reads a decimal point in every locale.
std::optional<double> ParseNumber(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string Stripped(absl::string_view text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status WrongEpsilon(const std::string& text, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' ", why));
}

// Reads "8/255", with the slash at index `slash`. The unit stays grey levels,
// so that 8 stays exact.
absl::StatusOr<v1::Epsilon> ParseLevels(const std::string& text,
                                        std::size_t slash, v1::Norm norm) {
  const auto levels = ParseNumber(text.substr(0, slash));
  const std::string denominator = text.substr(slash + 1);
  const bool large = norm == v1::NORM_L2;
  // Grey levels are counted in 255ths, so no other denominator is read.
  if (!levels || denominator != "255") {
    return WrongEpsilon(
        text, absl::StrCat("is not a number of grey levels; write "
                           "N/255 with N from 0",
                           large ? "" : " to 255", ", for example 8/255"));
  }
  // In L2 a size is the length over all values, so it may pass 255 levels.
  if (*levels < 0 || (*levels > kLevels && !large)) {
    return WrongEpsilon(text, large
                                  ? "is negative; allowed are 0 or more"
                                  : "is outside the allowed 0/255 to 255/255");
  }
  v1::Epsilon epsilon;
  epsilon.set_levels(*levels);
  return epsilon;
}

// Nearer than this many grey levels, two sizes are one.
constexpr double kSameLevels = 1e-9;

// START:LAST:STEP as typed. All three are in the unit of `step`, or 0.
struct Range {
  v1::Epsilon first, last, step;
};

// The bare number, in whatever unit it was typed.
double Value(const v1::Epsilon& epsilon) {
  return epsilon.has_levels() ? epsilon.levels() : epsilon.pixels();
}

// The unit of the step counts. Zero is zero in either unit, so that
// "0:8/255:1/255" may be written.
bool SameUnit(const Range& range) {
  const auto fits = [&](const v1::Epsilon& e) {
    return Value(e) == 0 || e.has_levels() == range.step.has_levels();
  };
  return fits(range.first) && fits(range.last);
}

absl::StatusOr<Range> ParseRange(const std::string& text, v1::Norm norm) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  if (parts.size() != 3) {
    return WrongEpsilon(text,
                        "is not a range; write START:LAST:STEP, for example "
                        "0:8/255:1/255");
  }
  Range range;
  v1::Epsilon* const into[] = {&range.first, &range.last, &range.step};
  for (int i = 0; i < 3; ++i) {
    auto epsilon = ParseEpsilon(Stripped(parts[i]), norm);
    if (!epsilon.ok()) return epsilon.status();
    *into[i] = *std::move(epsilon);
  }
  // A step of 0 would never reach the end of the range.
  if (Value(range.step) <= 0) return WrongEpsilon(text, "needs a step above 0");
  if (!SameUnit(range)) {
    return WrongEpsilon(text, "mixes N/255 and pixel units; use one of them");
  }
  if (Value(range.last) < Value(range.first)) {
    return WrongEpsilon(text, "ends before it starts");
  }
  return range;
}

absl::Status AppendRange(const std::string& text, v1::Norm norm,
                         std::vector<v1::Epsilon>* into) {
  const auto range = ParseRange(text, norm);
  if (!range.ok()) return range.status();
  const double first = Value(range->first), step = Value(range->step);
  // The number of steps. In floating point 0.3 / 0.1 is a little less than 3,
  // and the 1e-9 keeps 0.3 in the range 0:0.3:0.1.
  const double count = std::floor((Value(range->last) - first) / step + 1e-9);
  // This test comes before the conversion to int, which could overflow.
  if (count >= kMaxRangeValues) {
    return WrongEpsilon(text,
                        absl::StrCat("stands for more than ", kMaxRangeValues,
                                     " values; take a larger step"));
  }
  for (int i = 0; i <= static_cast<int>(count); ++i) {
    // Twelve digits, so that 3 * 0.1 is 0.3 and not 0.30000000000000004.
    const double value =
        *ParseNumber(absl::StrFormat("%.12g", first + i * step));
    v1::Epsilon epsilon;
    if (range->step.has_levels()) {
      epsilon.set_levels(value);
    } else {
      epsilon.set_pixels(value);
    }
    into->push_back(epsilon);
  }
  return absl::OkStatus();
}

// Keeps the first of sizes that are the same, and the order.
std::vector<v1::Epsilon> WithoutRepeats(const std::vector<v1::Epsilon>& all) {
  std::vector<v1::Epsilon> kept;
  for (const v1::Epsilon& one : all) {
    const bool known = std::any_of(
        kept.begin(), kept.end(),
        [&one](const v1::Epsilon& other) { return SameSize(one, other); });
    if (!known) kept.push_back(one);
  }
  return kept;
}

}  // namespace

absl::StatusOr<v1::Epsilon> ParseEpsilon(const std::string& text,
                                         v1::Norm norm) {
  const std::size_t slash = text.find('/');
  if (slash != std::string::npos) return ParseLevels(text, slash, norm);
  const auto pixels = ParseNumber(text);
  const bool large = norm == v1::NORM_L2;
  if (!pixels) {
    return WrongEpsilon(text,
                        large ? "is not a size; write pixel units as 0.5 or "
                                "grey levels as 128/255"
                              : "is not a size; write grey levels as 8/255 or "
                                "pixel units from 0 to 1 as 0.031");
  }
  // "2" almost always means 2/255, so the error suggests it. Above 255 it does
  // not, because that would be wrong in levels, too.
  if (*pixels > 1 && !large) {
    const std::string hint =
        *pixels <= kLevels
            ? absl::StrCat("; for grey levels write ", text, "/255")
            : "";
    return WrongEpsilon(text,
                        "is more than 1, the whole range of a pixel" + hint);
  }
  if (*pixels < 0) {
    return WrongEpsilon(text, absl::StrCat("is negative; allowed are 0 ",
                                           large ? "or more" : "to 1"));
  }
  v1::Epsilon epsilon;
  epsilon.set_pixels(*pixels);
  return epsilon;
}

absl::StatusOr<v1::Epsilon> ParseStepSize(const std::string& text,
                                          v1::Norm norm) {
  auto size = ParseEpsilon(text, norm);
  // The text is looked at first: the error of ParseEpsilon would call 0
  // allowed.
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (size.ok() && Pixels(*size) <= 0)) {
    return WrongEpsilon(text, "is not the size of a step; it must be above 0");
  }
  return size;
}

absl::StatusOr<std::vector<v1::Epsilon>> ParseEpsilons(const std::string& text,
                                                       v1::Norm norm) {
  std::vector<v1::Epsilon> epsilons;
  std::vector<std::string> errors;
  for (const auto piece : absl::StrSplit(text, ',')) {
    // One wrong piece does not end the loop, so that the error tells all of
    // them.
    const std::string part = Stripped(piece);
    absl::Status status;
    if (part.find(':') != std::string::npos) {
      status = AppendRange(part, norm, &epsilons);
    } else if (auto epsilon = ParseEpsilon(part, norm); epsilon.ok()) {
      epsilons.push_back(*std::move(epsilon));
    } else {
      status = epsilon.status();
    }
    if (!status.ok()) errors.emplace_back(status.message());
  }
  if (errors.empty()) return WithoutRepeats(epsilons);
  return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

bool SameSize(const v1::Epsilon& a, const v1::Epsilon& b) {
  return std::abs(Pixels(a) - Pixels(b)) * kLevels < kSameLevels;
}

double Pixels(const v1::Epsilon& epsilon) {
  return epsilon.has_levels() ? epsilon.levels() / kLevels : epsilon.pixels();
}

std::string EpsilonText(const v1::Epsilon& epsilon) {
  if (epsilon.has_levels()) return absl::StrFormat("%g/255", epsilon.levels());
  const std::string pixels = absl::StrFormat("%g", epsilon.pixels());
  // A size that six digits tell exactly was typed in pixel units.
  if (*ParseNumber(pixels) == epsilon.pixels()) return pixels;
  // Other sizes may have been typed as grey levels. A server answers in pixel
  // units, where 2/255 is 0.00784313725.
  const double levels = epsilon.pixels() * kLevels;
  const std::string text = absl::StrFormat("%g", levels);
  return std::abs(*ParseNumber(text) - levels) < kSameLevels ? text + "/255"
                                                             : pixels;
}

}  // namespace adv
