#include "client/printers/style.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// The first of `count` values in the group for `column` of `columns`. The
// groups differ in size by at most one.
int GroupStart(int column, int columns, int count) {
  return column * count / columns;
}

}  // namespace

Style Style::For(int fd, bool no_color) {
  const char* refused = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool plain = no_color || (refused != nullptr && *refused != '\0') ||
                     term == nullptr || std::strcmp(term, "dumb") == 0;
  return Style(!plain && isatty(fd) == 1);
}

std::string Style::Wrap(const char* code, const std::string& text) const {
  // Codes around no text would be bytes that nobody sees.
  if (!color_ || text.empty()) return text;
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

std::size_t DisplayWidth(const std::string& text) {
  // Counts the bytes that begin a character.
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xC0) != 0x80; });
}

std::string PadRight(const std::string& text, std::size_t width) {
  const std::size_t used = DisplayWidth(text);
  return used >= width ? text : text + std::string(width - used, ' ');
}

std::string PadLeft(const std::string& text, std::size_t width) {
  const std::size_t used = DisplayWidth(text);
  return used >= width ? text : std::string(width - used, ' ') + text;
}

std::string WrapWords(const std::string& text, std::size_t width,
                      std::size_t indent, std::size_t first) {
  std::string lines;
  std::size_t column = first;
  bool starts_line = true;
  const std::string visible = Visible(text);
  for (const auto piece : absl::StrSplit(visible, ' ')) {
    const std::string word(piece);
    const std::size_t size = DisplayWidth(word);
    // The first word of the text stays where the caller puts it, even if it is
    // too long for the line.
    if (!starts_line && column + 1 + size > width) {
      absl::StrAppend(&lines, "\n", std::string(indent, ' '));
      column = indent;
    } else if (!starts_line) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += size;
    starts_line = false;
  }
  return lines;
}

std::string Bar(double fraction, int width) {
  static constexpr const char* kEighths[] = {"",  "▏", "▎", "▍",
                                             "▌", "▋", "▊", "▉"};
  if (!(fraction > 0)) fraction = 0;  // NaN too
  const int eighths =
      static_cast<int>(std::lround(std::min(fraction, 1.0) * width * 8));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  return PadRight(bar, width);
}

int SparklineColumn(int index, int count, int width) {
  const int columns = std::min(count, width);
  int column = 0;
  // The groups are those of Sparkline, so the column is the one that shows it.
  while (GroupStart(column + 1, columns, count) <= index) ++column;
  return column;
}

std::string Sparkline(const std::vector<double>& values, int width) {
  static constexpr const char* kLevels[] = {"▁", "▂", "▃", "▄",
                                            "▅", "▆", "▇", "█"};
  const int count = static_cast<int>(values.size());
  const int columns = std::min(count, width);
  std::vector<double> means(columns);
  for (int i = 0; i < columns; ++i) {
    const int begin = GroupStart(i, columns, count);
    const int end = GroupStart(i + 1, columns, count);
    for (int k = begin; k < end; ++k) means[i] += values[k];
    means[i] /= end - begin;
  }
  if (means.empty()) return "";
  // A diverged run has NaN, which is neither above nor below anything.
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (const double mean : means) {
    if (!std::isfinite(mean)) continue;
    low = std::min(low, mean);
    high = std::max(high, mean);
  }
  const double span = high - low;
  std::string line;
  for (const double mean : means) {
    // Equal values have no span; they all show the lowest level.
    const double share = span > 0 ? (mean - low) / span : 0;
    line += kLevels[std::isfinite(share) ? std::lround(share * 7) : 0];
  }
  return line;
}

}  // namespace adv
