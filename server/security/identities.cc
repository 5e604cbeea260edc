#include "server/security/identities.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "model_store/model_store.h"
#include "server/wire/errors.h"

namespace adv {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxName = 64;
constexpr size_t kHashDigits = 64;
constexpr int64_t kMaxQuota = int64_t{1} << 40;

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || absl::StrContains("._@:-", c);
         });
}

bool IsHash(const std::string& text) {
  return text.size() == kHashDigits &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

// Reads one identity, and gathers what is wrong with it.
class Reader {
 public:
  Reader(std::string path, std::vector<std::string>* faults)
      : path_(std::move(path)), faults_(*faults) {}

  Identity Read(const Json& entry) {
    Identity identity;
    if (!entry.is_object()) {
      Fault("", "must be an object");
      return identity;
    }
    for (const auto& [key, value] : entry.items()) {
      ReadField(key, value, &identity);
    }
    if (!entry.contains("name")) Fault(".name", "is missing");
    if (!entry.contains("role")) Fault(".role", "is missing");
    if (!entry.contains("token_sha256") && !entry.contains("certificate")) {
      Fault("", "needs token_sha256, certificate or both");
    }
    return identity;
  }

 private:
  void Fault(absl::string_view field, absl::string_view fault) {
    faults_.push_back(absl::StrCat(path_, field, " ", fault));
  }

  void ReadField(const std::string& key, const Json& value,
                 Identity* identity) {
    const std::string field = "." + key;
    if (key == "name") {
      if (value.is_string()) identity->name = value;
      if (!IsName(identity->name)) {
        Fault(field, "must be 1 to 64 letters, digits and . _ @ : -");
      }
    } else if (key == "role") {
      const auto role =
          ParseRole(value.is_string() ? value.get<std::string>() : "");
      if (role) identity->role = *role;
      if (!role) Fault(field, "must be viewer, evaluator or admin");
    } else if (key == "token_sha256") {
      identity->token_sha256 = ReadTexts(field, value);
      for (std::string& hash : identity->token_sha256) {
        if (!IsHash(hash)) Fault(field, "must be 64 hexadecimal digits");
        absl::AsciiStrToLower(&hash);
      }
    } else if (key == "certificate") {
      identity->certificates = ReadTexts(field, value);
    } else if (key == "quota") {
      ReadQuota(value, &identity->quota);
    } else {
      Fault(absl::StrCat(".", Quote(key)),
            "is not known; the fields are name, role, token_sha256, "
            "certificate and quota");
    }
  }

  // A text, or a list of some.
  std::vector<std::string> ReadTexts(const std::string& field,
                                     const Json& value) {
    const Json list = value.is_array() ? value : Json::array({value});
    std::vector<std::string> texts;
    for (const Json& text : list) {
      if (text.is_string()) texts.push_back(text);
    }
    const bool all = !list.empty() && texts.size() == list.size() &&
                     std::count(texts.begin(), texts.end(), "") == 0;
    if (!all) Fault(field, "must be a text or a list of texts, none empty");
    return texts;
  }

  void ReadQuota(const Json& value, Quota* quota) {
    if (!value.is_object()) return Fault(".quota", "must be an object");
    for (const auto& [key, limit] : value.items()) {
      int64_t* const field =
          key == "calls_per_minute"  ? &quota->calls_per_minute
          : key == "cost_per_minute" ? &quota->cost_per_minute
          : key == "evaluations"     ? &quota->evaluations
                                     : nullptr;
      if (field == nullptr) {
        Fault(absl::StrCat(".quota.", Quote(key)),
              "is not known; the fields are calls_per_minute, "
              "cost_per_minute and evaluations");
      } else if (!limit.is_number_unsigned() || limit > kMaxQuota ||
                 limit < 1) {
        Fault(absl::StrCat(".quota.", key),
              absl::StrCat("must be a whole number, 1 to ", kMaxQuota));
      } else {
        *field = limit;
      }
    }
  }

  const std::string path_;
  std::vector<std::string>& faults_;
};

// What must differ between all identities.
class Unique {
 public:
  void Add(const Identity& identity, const std::string& path,
           std::vector<std::string>* faults) {
    const auto add = [&](const char* field, const std::string& value) {
      if (value.empty() || seen_.emplace(field, value).second) return;
      faults->push_back(
          absl::StrCat(path, ".", field, " is that of an entry before"));
    };
    add("name", identity.name);
    for (const auto& hash : identity.token_sha256) add("token_sha256", hash);
    for (const auto& name : identity.certificates) add("certificate", name);
  }

 private:
  std::set<std::pair<std::string, std::string>> seen_;
};

absl::Status Damaged(absl::string_view fault) {
  return absl::InvalidArgumentError(fault);
}

}  // namespace

absl::StatusOr<Identities> Identities::Parse(const std::string& json) {
  const Json list = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (list.is_discarded()) return Damaged("is not JSON");
  if (!list.is_array() || list.empty()) {
    return Damaged("must be a list with at least one identity");
  }
  Identities identities;
  std::vector<std::string> faults;
  Unique unique;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = absl::StrCat("[", i, "]");
    auto identity =
        std::make_shared<Identity>(Reader(path, &faults).Read(list[i]));
    unique.Add(*identity, path, &faults);
    identities.identities_.push_back(std::move(identity));
  }
  if (!faults.empty()) return Damaged(absl::StrJoin(faults, "; "));
  return identities;
}

IdentityPtr Identities::FindByToken(absl::string_view token) const {
  const std::string hash = Sha256Hex(token);
  IdentityPtr found;
  // All of them, whichever fits, so that the time tells nothing.
  for (const IdentityPtr& identity : identities_) {
    for (const std::string& known : identity->token_sha256) {
      if (CRYPTO_memcmp(known.data(), hash.data(), kHashDigits) == 0) {
        found = identity;
      }
    }
  }
  return found;
}

IdentityPtr Identities::FindByCertificate(
    const std::vector<std::string>& names) const {
  for (const IdentityPtr& identity : identities_) {
    for (const std::string& known : identity->certificates) {
      const bool shown =
          std::find(names.begin(), names.end(), known) != names.end();
      if (shown) return identity;
    }
  }
  return nullptr;
}

}  // namespace adv
