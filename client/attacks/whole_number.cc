#include "client/attacks/whole_number.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace adv {

CLI::Validator WholeNumber(std::uint64_t least, std::uint64_t most) {
  return CLI::Validator(
      [least, most](const std::string& text) -> std::string {
        std::uint64_t value = 0;
        if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) {
          return "";
        }
        return absl::StrCat("'", text,
                            "' is not allowed; allowed are whole numbers from ",
                            least, " to ", most);
      },
      "");
}

}  // namespace adv
