#include "client/printers/ascii.h"

#include <cstdlib>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace adv {
namespace {

// All characters beyond ASCII that the printers use.
const std::map<std::string, std::string>& Replacements() {
  static const auto* const map = new std::map<std::string, std::string>{
      {"–", "-"},
      {"…", "~"},
      {"·", "."},
      {"✗", "x"},
      {"▶", ">"},
      {"▲", "^"},
      // Sparklines, from low to high; a bar is made of the highest.
      {"▁", "_"},
      {"▂", "."},
      {"▃", ":"},
      {"▄", "-"},
      {"▅", "="},
      {"▆", "+"},
      {"▇", "*"},
      {"█", "#"},
      // The ends of bars, in eighths.
      {"▏", " "},
      {"▎", " "},
      {"▍", " "},
      {"▌", "#"},
      {"▋", "#"},
      {"▊", "#"},
      {"▉", "#"},
  };
  return *map;
}

// The number of bytes of the character that begins with this one; 1 if no
// character begins so.
std::size_t Length(unsigned char first) {
  if (first >= 0xF0 && first < 0xF8) return 4;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xC0 && first < 0xE0 ? 2 : 1;
}

}  // namespace

bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    // An empty variable counts as one that is not set.
    if (value == nullptr || *value == '\0') continue;
    const std::string locale = absl::AsciiStrToLower(value);
    return absl::StrContains(locale, "utf-8") ||
           absl::StrContains(locale, "utf8");
  }
  return false;
}

AsciiBuffer::~AsciiBuffer() { Put(pending_); }

// The buffer has no room of its own, so every byte comes here.
int AsciiBuffer::overflow(int byte) {
  if (byte == traits_type::eof()) return traits_type::not_eof(byte);
  const char one = traits_type::to_char_type(byte);
  const bool continues = (one & 0xC0) == 0x80;
  if (!continues && !pending_.empty()) {  // a cut character
    if (!Put(pending_)) return traits_type::eof();
    pending_.clear();
  }
  // ASCII needs no replacement.
  if (static_cast<unsigned char>(one) < 0x80) return target_->sputc(one);
  pending_ += one;
  // The rest of the character is still to come.
  if (pending_.size() < Length(pending_.front())) return byte;
  const auto known = Replacements().find(pending_);
  const bool ok = Put(known == Replacements().end() ? pending_ : known->second);
  pending_.clear();
  return ok ? byte : traits_type::eof();
}

// An unfinished character stays pending: its rest may come after the flush.
int AsciiBuffer::sync() { return target_->pubsync(); }

bool AsciiBuffer::Put(const std::string& text) {
  return target_->sputn(text.data(), text.size()) ==
         static_cast<std::streamsize>(text.size());
}

}  // namespace adv
