// Feeds a fuzz entry with the files of a folder and with mutations of them,
// always the same ones: replay FOLDER MUTATIONS. For builds without libFuzzer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Bytes that parsers care about: JSON, numbers at their limits, broken UTF-8.
const std::vector<std::string>& Tokens() {
  static const auto* const kTokens = new std::vector<std::string>{
      "{",  "}",   "[",    "]",     "\"", ":",    ",",
      "-1", "0",   "1e99", "null",  "0x", "NaN",  "18446744073709551616",
      "..", "../", "\\u0", "\\n",   "é",  "\xff", std::string(8, '\xff'),
      "\n", " ",   "true", "false", "/",  "\t",   std::string(8, '\0')};
  return *kTokens;
}

void Feed(const std::string& input) {
  // Exactly as long as the input, so that a sanitizer sees a read past it.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

// A uniform number below `limit`, which is not 0.
size_t Below(size_t limit, std::mt19937_64* random) {
  return (*random)() % limit;
}

// One change: a bit, a byte, a token, a cut, a repetition or another's end.
std::string Mutated(std::string input, const std::string& other,
                    std::mt19937_64* random) {
  const size_t at = Below(input.size() + 1, random);
  const size_t length = 1 + Below(16, random);
  switch (Below(7, random)) {
    case 0:
      if (at < input.size()) input[at] ^= static_cast<char>(1 << (length % 8));
      break;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>((*random)());
      break;
    case 2:
      input.insert(at, Tokens()[Below(Tokens().size(), random)]);
      break;
    case 3:
      input.resize(at);
      break;
    case 4:
      input.erase(at, length);
      break;
    case 5:
      input.insert(at, input.substr(at, length));
      break;
    default:
      input =
          input.substr(0, at) + other.substr(Below(other.size() + 1, random));
  }
  return input;
}

std::vector<std::string> ReadFolder(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file),
                        std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s FOLDER MUTATIONS\n", argv[0]);
    return 2;
  }
  const std::vector<std::string> inputs = ReadFolder(argv[1]);
  if (inputs.empty()) {
    std::fprintf(stderr, "%s: no inputs\n", argv[1]);
    return 1;
  }
  Feed("");
  for (const std::string& input : inputs) Feed(input);
  const int mutations = std::atoi(argv[2]);
  std::mt19937_64 random(1);
  for (int i = 0; i < mutations; ++i) {
    std::string input = inputs[Below(inputs.size(), &random)];
    const size_t changes = 1 + Below(4, &random);
    for (size_t change = 0; change < changes; ++change) {
      input = Mutated(std::move(input), inputs[Below(inputs.size(), &random)],
                      &random);
    }
    Feed(input);
  }
  std::printf("%zu inputs and %d mutations\n", inputs.size(), mutations);
  return 0;
}
