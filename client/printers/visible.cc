#include "client/printers/visible.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace adv {
namespace {

// A character and its number of bytes; 0 if the bytes are not UTF-8.
struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

// Decodes the first character. `text` must not be empty.
Character First(absl::string_view text) {
  const auto byte = [text](std::size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  // The smallest code that needs so many bytes, by their number.
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC0 || lead > 0xF7 || text.size() < bytes) return {lead, 0};
  // The lead byte has one bit set for each byte of the character, then a zero.
  // The rest of its bits begin the code, and each further byte adds six.
  std::uint32_t code = lead & (0xFFu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {lead, 0};
    code = code << 6 | (byte(i) & 0x3F);
  }
  // Overlong forms and surrogates are not UTF-8, although they decode: they
  // could hide a control character.
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[bytes] || code > 0x10FFFF || surrogate) return {lead, 0};
  return {code, bytes};
}

// Whether a character beyond ASCII controls the terminal (0x80 to 0x9F), the
// line (0x2028, 0x2029) or the direction of text (the others).
bool IsControl(std::uint32_t code) {
  const auto within = [code](std::uint32_t first, std::uint32_t last) {
    return code >= first && code <= last;
  };
  return within(0x80, 0x9F) || code == 0x61C || within(0x200E, 0x200F) ||
         within(0x2028, 0x202E) || within(0x2066, 0x2069);
}

// An ASCII control character, or a byte that is no character.
std::string ShownByte(std::uint32_t byte) {
  switch (byte) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return absl::StrFormat("\\x%02x", byte);
  }
}

}  // namespace

std::string Visible(absl::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Character next = First(text);
    // One wrong byte is passed over, and the next one may begin a character
    // again.
    const std::size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes == 0 || next.code < 0x20 || next.code == 0x7F) {
      shown += ShownByte(next.code);
    } else if (IsControl(next.code)) {
      shown += absl::StrFormat("\\u%04x", next.code);
    } else {
      shown.append(text.data(), bytes);
    }
    text.remove_prefix(bytes);
  }
  return shown;
}

std::string VisibleLines(absl::string_view text) {
  return absl::StrJoin(absl::StrSplit(text, '\n'), "\n",
                       [](std::string* out, absl::string_view line) {
                         out->append(Visible(line));
                       });
}

}  // namespace adv
