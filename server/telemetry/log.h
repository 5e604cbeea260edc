#ifndef ADV_SERVER_TELEMETRY_LOG_H_
#define ADV_SERVER_TELEMETRY_LOG_H_

#include <absl/strings/string_view.h>

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <ostream>
#include <string>
#include <utility>

namespace adv {

enum class LogFormat { kText, kJson };

// A value of a log line, as text. Its constructors convert implicitly, so that
// callers write log lines as literals.
class LogValue {
 public:
  // NOLINTBEGIN(google-explicit-constructor)
  LogValue(absl::string_view text);
  LogValue(const std::string& text) : LogValue(absl::string_view(text)) {}
  LogValue(const char* text) : LogValue(absl::string_view(text)) {}
  LogValue(int number) : LogValue(static_cast<int64_t>(number)) {}
  LogValue(int64_t number);
  LogValue(uint64_t number);
  LogValue(double number);
  // NOLINTEND(google-explicit-constructor)

  const std::string& text() const { return text_; }
  bool is_number() const { return is_number_; }

 private:
  std::string text_;
  bool is_number_ = false;
};

using LogFields = std::initializer_list<std::pair<absl::string_view, LogValue>>;

// One line per event, in key=value or JSON form:
//   time=2026-11-22T11:00:00.000Z level=info event=listening address=...
// Lines never hold pixels. Thread-safe; lines never mix.
class Log {
 public:
  // `out` must outlive it.
  Log(std::ostream& out, LogFormat format) : out_(out), format_(format) {}

  // `event` is a short name in snake_case; equal events have equal names.
  void Info(absl::string_view event, LogFields fields = {});
  void Warning(absl::string_view event, LogFields fields = {});
  void Error(absl::string_view event, LogFields fields = {});

 private:
  void Write(absl::string_view level, absl::string_view event,
             LogFields fields);

  std::ostream& out_;
  const LogFormat format_;
  std::mutex mutex_;
};

// From here on gRPC's own errors become events of `log`, which must live as
// long as the process.
void CaptureGrpcLog(Log* log);

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_LOG_H_
