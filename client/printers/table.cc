#include "client/printers/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// Lines end in "\n" alone, as the tools of Unix expect it.
void AppendCsvLine(const std::vector<std::string>& cells, std::string* out) {
  absl::StrAppend(out,
                  absl::StrJoin(cells, ",",
                                [](std::string* to, const std::string& cell) {
                                  absl::StrAppend(to, CsvField(cell));
                                }),
                  "\n");
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (Column& column : columns_) column.header = Visible(column.header);
}

void Table::AddRow(std::vector<std::string> cells, Row row) {
  for (std::string& cell : cells) cell = Visible(cell);
  // Short rows are filled up, so that every line has all columns.
  cells.resize(columns_.size());
  lines_.push_back({std::move(cells), row});
}

std::string Table::Join(const std::vector<std::string>& cells,
                        const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    line += columns_[i].right ? PadLeft(cells[i], widths[i])
                              : PadRight(cells[i], widths[i]);
  }
  // The padding of the last cells would be blanks at the end of the line.
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string Table::ToText(const Style& style, int indent) const {
  std::vector<std::string> headers;
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) {
    headers.push_back(column.header);
    widths.push_back(DisplayWidth(column.header));
  }
  for (const Line& line : lines_) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(line.cells[i]));
    }
  }
  const std::string margin(indent, ' ');
  // "▶ " takes two columns of the margin, so that the cells stay in line.
  const std::string marked_margin =
      std::string(std::max(indent - 2, 0), ' ') + "▶ ";
  std::string text =
      absl::StrCat(margin, style.Dim(Join(headers, widths)), "\n");
  for (const Line& line : lines_) {
    // Colours come last: their codes would count as characters in Join.
    const std::string cells = Join(line.cells, widths);
    switch (line.row) {
      case Row::kPlain:
        absl::StrAppend(&text, margin, cells, "\n");
        break;
      case Row::kBold:
        absl::StrAppend(&text, margin, style.Bold(cells), "\n");
        break;
      case Row::kMarked:
        absl::StrAppend(&text, style.Mark(marked_margin + cells), "\n");
        break;
    }
  }
  return text;
}

std::string Table::ToCsv() const {
  std::vector<std::string> headers;
  for (const Column& column : columns_) headers.push_back(column.header);
  std::string text;
  AppendCsvLine(headers, &text);
  for (const Line& line : lines_) AppendCsvLine(line.cells, &text);
  return text;
}

std::string CsvField(const std::string& text) {
  // Only these four characters make quotes necessary.
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace adv
