#include "client/session/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/session/channel.h"
#include "client/session/pem.h"
#include "grpcpp/support/string_ref.h"

namespace adv {
namespace {

constexpr std::size_t kLongestToken = 8192;

absl::Status FlagFault(absl::string_view flag, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", what));
}

// The content of a flag's file.
absl::StatusOr<std::string> ReadFile(const char* flag,
                                     const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  // No file that is meant holds a zero byte, so this reads all.
  if (!file || (!std::getline(file, text, '\0') && file.bad())) {
    return FlagFault(
        flag, absl::StrCat(path, " cannot be read: ", std::strerror(errno)));
  }
  return text;
}

// The content of a flag's file after `check`; empty without a path.
template <typename Check>
absl::StatusOr<std::string> ReadPem(const char* flag, const std::string& path,
                                    const Check& check) {
  if (path.empty()) return "";
  auto text = ReadFile(flag, path);
  if (!text.ok()) return text;
  const absl::Status status = check(*text);
  if (!status.ok()) {
    return FlagFault(flag, absl::StrCat(path, " ", status.message()));
  }
  return text;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeTls(
    const ServerAccess& access, const std::string& target) {
  if (access.certificate.empty() != access.key.empty()) {
    return FlagFault(access.key.empty() ? "--certificate" : "--key",
                     "--certificate and --key go together: give both");
  }
  if (access.server_name.empty() && absl::StrContains(target, ",")) {
    return FlagFault("--server-name",
                     "several addresses with TLS need it: the name that the "
                     "certificates of all of them have");
  }
  const auto roots = ReadPem("--ca", access.ca, CheckCertificate);
  if (!roots.ok()) return roots.status();
  const auto certificate =
      ReadPem("--certificate", access.certificate, CheckCertificate);
  if (!certificate.ok()) return certificate.status();
  const auto key =
      ReadPem("--key", access.key, [&certificate](const std::string& pem) {
        return CheckKeyPair(*certificate, pem);
      });
  if (!key.ok()) return key.status();
  // Without roots gRPC takes the system's.
  return grpc::SslCredentials({*roots, *key, *certificate});
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  auto text = ReadFile("--token-file", path);
  if (!text.ok()) return text;
  const std::string token(absl::StripAsciiWhitespace(*text));
  const bool good =
      !token.empty() && token.size() <= kLongestToken &&
      std::all_of(token.begin(), token.end(),
                  [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (good) return token;
  return FlagFault(
      "--token-file",
      absl::StrCat(path, " holds no token, which is one word of 1 to ",
                   kLongestToken, " visible characters"));
}

// Puts the token into every call.
class Bearer : public grpc::MetadataCredentialsPlugin {
 public:
  explicit Bearer(const std::string& token)
      : value_(absl::StrCat("Bearer ", token)) {}

  bool IsBlocking() const override { return false; }

  grpc::Status GetMetadata(
      grpc::string_ref /*url*/, grpc::string_ref /*method*/,
      const grpc::AuthContext& /*context*/,
      std::multimap<grpc::string, grpc::string>* metadata) override {
    metadata->insert({"authorization", value_});
    return grpc::Status::OK;
  }

 private:
  const std::string value_;
};

// A token file is a password: the others of this machine should not read it.
std::string Warning(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || (info.st_mode & S_IROTH) == 0)
    return "";
  return absl::StrCat("--token-file: everyone on this machine can read ", path,
                      "; chmod 600 mends it");
}

}  // namespace

absl::StatusOr<Credentials> LoadCredentials(const ServerAccess& access,
                                            const std::string& target) {
  Credentials credentials;
  credentials.channel = grpc::InsecureChannelCredentials();
  const bool tls = access.UsesTls();
  if (tls) {
    auto made = MakeTls(access, target);
    if (!made.ok()) return made.status();
    credentials.channel = *std::move(made);
  }
  if (access.token_file.empty()) return credentials;
  if (!tls && !IsOfThisMachine(target)) {
    return FlagFault(
        "--token-file",
        "a token goes to another machine only over TLS, or whoever "
        "listens could use it; give --tls, or --ca=FILE");
  }
  const auto token = ReadToken(access.token_file);
  if (!token.ok()) return token.status();
  // gRPC gives no token to insecure credentials. These are the same on the
  // wire, and check that the peer is on this machine.
  if (!tls) {
    credentials.channel = grpc::experimental::LocalCredentials(
        absl::StartsWith(target, "unix") ? UDS : LOCAL_TCP);
  }
  credentials.channel = grpc::CompositeChannelCredentials(
      credentials.channel,
      grpc::experimental::MetadataCredentialsFromPlugin(
          std::make_unique<Bearer>(*token),
          tls ? GRPC_PRIVACY_AND_INTEGRITY : GRPC_SECURITY_NONE));
  credentials.warning = Warning(access.token_file);
  return credentials;
}

}  // namespace adv
