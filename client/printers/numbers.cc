#include "client/printers/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/printers/style.h"

namespace adv {

std::string PercentText(double share) {
  if (std::isnan(share)) return "–";
  // The ends of intervals are computed, so a zero may come as 1e-17.
  if (share < 1e-9) return "0";
  if (share > 1 - 1e-9) return "100";
  // Very few must not look like none, nor almost all like all.
  if (share < .0005) return "<0.1";
  if (share > .9995) return ">99.9";
  return absl::StrFormat("%.1f", share * 100);
}

std::string RateText(const v1::Rate& rate) {
  if (rate.total() == 0) return "–";
  return absl::StrFormat("%s (%s–%s)", PercentText(rate.value()),
                         PercentText(rate.lower()), PercentText(rate.upper()));
}

std::string RateCell(const v1::Rate& rate) {
  if (rate.total() == 0) return "   –";
  return absl::StrFormat("%s (%s–%s)", PadLeft(PercentText(rate.value()), 4),
                         PercentText(rate.lower()), PercentText(rate.upper()));
}

std::string CountText(std::int64_t count) {
  std::string digits = absl::StrCat(count);
  // A comma goes before every three digits from the end, but not after the
  // sign.
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string SpeedText(double per_second) {
  // This form is true for NaN, too.
  if (!(per_second > 0)) return "0";
  // From these limits on, rounding would give one digit more.
  if (per_second < .995) return absl::StrFormat("%#.2g", per_second);
  if (per_second < 9.95) return absl::StrFormat("%.1f", per_second);
  return CountText(std::llround(per_second));
}

std::string DurationText(double seconds) {
  if (seconds < 10) return absl::StrFormat("%.1f s", seconds);
  // Rounded before it is split, so that 59.6 s is 1:00 and not 0:60.
  const auto whole = static_cast<std::int64_t>(std::lround(seconds));
  if (whole < 60) return absl::StrCat(whole, " s");
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60,
                         whole % 60);
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M",
                          absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

std::string ShortId(const std::string& id) { return id.substr(0, 12); }

std::string ModelText(const v1::ModelReference& model) {
  return absl::StrCat(model.name(), "@", model.version());
}

std::string ExactText(double value) {
  if (std::isnan(value)) return "";
  char text[32];
  // The shortest text that reads back as the same double, in every locale.
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

v1::Rate MakeRate(std::int64_t count, std::int64_t total) {
  v1::Rate rate;
  rate.set_count(count);
  rate.set_total(total);
  // Nothing is known of a share of no images: the interval is all of [0, 1].
  if (total == 0) {
    rate.set_value(std::numeric_limits<double>::quiet_NaN());
    rate.set_upper(1);
    return rate;
  }
  // Wilson's score interval (1927) with the normal distribution's 97.5 %
  // quantile. The server computes its intervals in the same way.
  constexpr double z = 1.959963984540054;
  const double n = total, p = count / n;
  const double center = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  rate.set_value(p);
  // Rounding may carry the ends a little beyond 0 and 1.
  rate.set_lower(std::max(0.0, center - half));
  rate.set_upper(std::min(1.0, center + half));
  return rate;
}

}  // namespace adv
