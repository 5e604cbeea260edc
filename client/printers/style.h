#ifndef ADV_CLIENT_PRINTERS_STYLE_H_
#define ADV_CLIENT_PRINTERS_STYLE_H_

#include <string>
#include <vector>

namespace adv {

// The look of text: with colours, or plain for files, pipes and NO_COLOR. No
// fact is ever told by colour alone.
class Style {
 public:
  explicit Style(bool color) : color_(color) {}

  // Colours if `fd` is a terminal that has them, and neither `no_color` nor the
  // environment forbids them.
  static Style For(int fd, bool no_color);

  std::string Bold(const std::string& text) const { return Wrap("1", text); }
  std::string Dim(const std::string& text) const { return Wrap("2", text); }
  // Marks the one thing that a reader must not miss.
  std::string Mark(const std::string& text) const { return Wrap("1;33", text); }
  std::string Good(const std::string& text) const { return Wrap("32", text); }
  std::string Bad(const std::string& text) const { return Wrap("31", text); }

 private:
  std::string Wrap(const char* code, const std::string& text) const;

  bool color_;
};

// The number of columns that UTF-8 text takes on a terminal; every character
// counts as one.
std::size_t DisplayWidth(const std::string& text);

// `text` padded with spaces to `width` columns.
std::string PadRight(const std::string& text, std::size_t width);
std::string PadLeft(const std::string& text, std::size_t width);

// Breaks `text` at spaces so that no line goes beyond column `width`. The first
// line begins at column `first`, where the caller puts it; the others are
// indented by `indent` spaces. Shown as Visible. Without a newline at the end.
std::string WrapWords(const std::string& text, std::size_t width,
                      std::size_t indent, std::size_t first = 0);

// A bar of `fraction` in [0, 1] (others are clipped) of `width` columns, in
// eighths of a character, padded to `width`.
std::string Bar(double fraction, int width);

// A line with one character for each value; the character shows where the value
// lies between the smallest and the largest. If there are more than `width`
// values, each character shows the mean of a group.
std::string Sparkline(const std::vector<double>& values, int width);

// The column of that sparkline, from 0, that holds value number `index` (below
// `count`).
int SparklineColumn(int index, int count, int width);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_STYLE_H_
