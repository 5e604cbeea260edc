#include "server/telemetry/log.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <grpc/support/log.h>

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>

namespace adv {
namespace {

// gRPC's log function is given no context, so the log is global.
std::atomic<Log*> grpc_log{nullptr};

void WriteGrpcLine(gpr_log_func_args* args) {
  grpc_log.load()->Warning(
      "grpc",
      {{"message", args->message}, {"file", args->file}, {"line", args->line}});
}

// The text as a JSON string, with its quotes.
std::string Json(absl::string_view text) {
  return nlohmann::json(std::string(text))
      // ASCII alone, with bytes that are not UTF-8 replaced: a caller's text
      // cannot break a line or a terminal.
      .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// The text as it is if no character could be mistaken for the line's own signs,
// otherwise as a JSON string.
std::string TextValue(const std::string& text) {
  const bool plain =
      !text.empty() && text.find_first_of(" =\"\\") == std::string::npos &&
      text.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
          "!#$%&'()*+,-./:;<>?@[]^_`{|}~") == std::string::npos;
  return plain ? text : Json(text);
}

// Keys are literals of the program and need no escaping.
void AppendText(absl::string_view key, const LogValue& value,
                std::string* line) {
  absl::StrAppend(line, line->empty() ? "" : " ", key, "=",
                  TextValue(value.text()));
}

void AppendJson(absl::string_view key, const LogValue& value,
                std::string* line) {
  absl::StrAppend(line, line->empty() ? "{" : ",", Json(key), ":",
                  // A number stays without quotes, so that readers need not
                  // parse a string.
                  value.is_number() ? value.text() : Json(value.text()));
}

}  // namespace

LogValue::LogValue(absl::string_view text) : text_(text) {}
LogValue::LogValue(int64_t number)
    : text_(absl::StrCat(number)), is_number_(true) {}
LogValue::LogValue(uint64_t number)
    : text_(absl::StrCat(number)), is_number_(true) {}
// JSON has no NaN and no infinity, so these become text.
LogValue::LogValue(double number)
    : text_(absl::StrCat(number)), is_number_(std::isfinite(number)) {}

void Log::Info(absl::string_view event, LogFields fields) {
  Write("info", event, fields);
}
void Log::Warning(absl::string_view event, LogFields fields) {
  Write("warning", event, fields);
}
void Log::Error(absl::string_view event, LogFields fields) {
  Write("error", event, fields);
}

void Log::Write(absl::string_view level, absl::string_view event,
                LogFields fields) {
  const auto append = format_ == LogFormat::kJson ? AppendJson : AppendText;
  std::string line;
  // UTC, to the millisecond.
  append("time",
         absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                          absl::UTCTimeZone()),
         &line);
  append("level", level, &line);
  append("event", event, &line);
  for (const auto& [key, value] : fields) append(key, value, &line);
  line += format_ == LogFormat::kJson ? "}\n" : "\n";
  // The line is complete before the lock, which then covers one write.
  const std::lock_guard<std::mutex> lock(mutex_);
  out_ << line << std::flush;
}

void CaptureGrpcLog(Log* log) {
  // The log comes first: gRPC may write from any thread once the function is
  // set.
  grpc_log = log;
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function(&WriteGrpcLine);
}

}  // namespace adv
