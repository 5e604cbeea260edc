#ifndef ADV_CLIENT_PRINTERS_NUMBERS_H_
#define ADV_CLIENT_PRINTERS_NUMBERS_H_

#include <cstdint>
#include <string>

#include "adv/v1/evaluation.pb.h"
#include "adv/v1/model.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace adv {

// "79.3" for .793. "100" and "0" mean exactly all and none. "–" for NaN.
std::string PercentText(double share);

// "79.3 (76.7–81.7)" with the interval; "–" if there are no images.
std::string RateText(const v1::Rate& rate);

// The same with the value right-aligned in four columns, so that the cells of a
// column line up: " 3.0 (1.0–8.5)".
std::string RateCell(const v1::Rate& rate);

// "12,345".
std::string CountText(std::int64_t count);

// A rate to at least two digits: "0.042", "2.5", "1,234"; "0" for none.
std::string SpeedText(double per_second);

// "0.4 s", "12 s", "3:07", "1:02:03".
std::string DurationText(double seconds);

// "2026-11-22 11:30" in UTC; empty if there is none.
std::string TimeText(const google::protobuf::Timestamp& time);

// The beginning of an id that people copy: 12 digits.
std::string ShortId(const std::string& id);

// "no-cat@1".
std::string ModelText(const v1::ModelReference& model);

// A number for programs, with as many digits as it needs to read back as the
// same number; "" for NaN.
std::string ExactText(double value);

// The share count / total with its 95 % Wilson interval.
v1::Rate MakeRate(std::int64_t count, std::int64_t total);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_NUMBERS_H_
