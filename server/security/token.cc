#include "server/security/token.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "model_store/model_store.h"

namespace adv {

std::string NewToken() {
  std::array<unsigned char, 32> bits{};
  // It fails only on a system without a source of random numbers, where no
  // token would be a secret.
  if (RAND_bytes(bits.data(), static_cast<int>(bits.size())) != 1) std::abort();
  return absl::StrCat(
      "adv_", absl::WebSafeBase64Escape(absl::string_view(
                  reinterpret_cast<const char*>(bits.data()), bits.size())));
}

std::string IdentityEntry(const std::string& name, const std::string& role,
                          const std::string& token) {
  nlohmann::ordered_json entry;
  entry["name"] = name;
  entry["role"] = role;
  entry["token_sha256"] = Sha256Hex(token);
  return entry.dump();
}

}  // namespace adv
