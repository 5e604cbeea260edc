#ifndef ADV_CLIENT_PRINTERS_ASCII_H_
#define ADV_CLIENT_PRINTERS_ASCII_H_

#include <streambuf>
#include <string>

namespace adv {

// Whether the terminal's locale (LC_ALL, LC_CTYPE or LANG, the first that is
// set) says UTF-8.
bool LocaleIsUtf8();

// Writes to another stream buffer, with the characters that advctl draws with
// replaced by ASCII ones of the same width; what it does not know, such as a
// file's name, goes through as it is. Not thread-safe.
class AsciiBuffer : public std::streambuf {
 public:
  // `target` must outlive it.
  explicit AsciiBuffer(std::streambuf* target) : target_(target) {}
  // Hands on what is left of a cut character.
  ~AsciiBuffer() override;

 protected:
  int overflow(int byte) override;
  int sync() override;

 private:
  bool Put(const std::string& text);

  std::streambuf* const target_;
  std::string pending_;  // the bytes so far of a character
};

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_ASCII_H_
