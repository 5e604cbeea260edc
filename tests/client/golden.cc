#include "tests/client/golden.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/str_split.h"
#include "client/printers/style.h"
#include "tests/folders.h"

namespace adv::testing {

std::string Golden(const std::string& name) {
  std::ifstream file(SourceDir() + "/tests/client/golden/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t WidestLine(const std::string& text) {
  std::size_t widest = 0;
  for (const auto line : absl::StrSplit(text, '\n')) {
    widest = std::max(widest, DisplayWidth(std::string(line)));
  }
  return widest;
}

}  // namespace adv::testing
