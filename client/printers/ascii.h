#ifndef ADV_CLIENT_PRINTERS_ASCII_H_
#define ADV_CLIENT_PRINTERS_ASCII_H_

#include <streambuf>
#include <string>

namespace adv {

// Whether the terminal's locale is UTF-8. LC_ALL, LC_CTYPE and LANG are asked
// in this order; the first that is set decides.
bool LocaleIsUtf8();

// Writes to another stream buffer and replaces the characters that advctl draws
// with by ASCII ones of the same width. Other characters, such as those of a
// file's name, go through unchanged. Not thread-safe.
class AsciiBuffer : public std::streambuf {
 public:
  // `target` must outlive it.
  explicit AsciiBuffer(std::streambuf* target) : target_(target) {}
  // Passes on the rest of a character that was cut.
  ~AsciiBuffer() override;

 protected:
  int overflow(int byte) override;
  int sync() override;

 private:
  bool Put(const std::string& text);

  std::streambuf* const target_;
  std::string pending_;  // the bytes of an unfinished character
};

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_ASCII_H_
