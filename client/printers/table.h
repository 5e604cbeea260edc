#ifndef ADV_CLIENT_PRINTERS_TABLE_H_
#define ADV_CLIENT_PRINTERS_TABLE_H_

#include <string>
#include <vector>

#include "client/printers/style.h"

namespace adv {

// Rows under headers, for people (aligned) or programs (CSV).
class Table {
 public:
  struct Column {
    std::string header;
    bool right = false;  // numbers
  };
  enum class Row { kPlain, kBold, kMarked };

  // Headers and cells are shown as Visible.
  explicit Table(std::vector<Column> columns);

  // One cell per column; missing ones are empty.
  void AddRow(std::vector<std::string> cells, Row row = Row::kPlain);

  // Text with aligned columns, two spaces between them, headers dimmed and
  // `indent` spaces in front. A marked row starts with "▶ " in the last two
  // columns of the indent.
  std::string ToText(const Style& style, int indent = 2) const;

  // RFC 4180 with a header line; rows end in "\n".
  std::string ToCsv() const;

 private:
  struct Line {
    std::vector<std::string> cells;
    Row row;
  };

  std::string Join(const std::vector<std::string>& cells,
                   const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<Line> lines_;
};

// A CSV field, in quotes if it needs them.
std::string CsvField(const std::string& text);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_TABLE_H_
