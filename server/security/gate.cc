#include "server/security/gate.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <optional>
#include <utility>

#include "model_store/durable_file.h"
#include "server/security/rules.h"
#include "server/wire/errors.h"

namespace adv {
namespace {

// A path that was given by mistake must not fill the memory.
constexpr uint64_t kMostBytes = uint64_t{16} << 20;

IdentityPtr MakeIdentity(const char* name, Role role) {
  auto identity = std::make_shared<Identity>();
  identity->name = name;
  identity->role = role;
  return identity;
}

absl::Status Unauthenticated(absl::string_view message) {
  return Error(Reason::kUnauthenticated, message);
}

// What follows "Bearer ", whose case does not matter.
std::optional<absl::string_view> TokenOf(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return std::nullopt;
  return authorization.substr(kScheme.size());
}

absl::Status Denied(const Identity& identity, absl::string_view method,
                    const Rule& rule) {
  const char* const needed = RoleName(rule.least);
  const char* const role = RoleName(identity.role);
  return Error(Reason::kPermissionDenied,
               absl::StrCat(method, " needs the role ", needed, ", and ",
                            identity.name, " has the role ", role),
               {{"method", std::string(method)},
                {"needed_role", needed},
                {"role", role},
                {"identity", identity.name}});
}

}  // namespace

const IdentityPtr& AnonymousIdentity() {
  static const auto& identity =
      *new IdentityPtr(MakeIdentity("anonymous", Role::kAdmin));
  return identity;
}

const IdentityPtr& UnknownIdentity() {
  static const auto& identity =
      *new IdentityPtr(MakeIdentity("unknown", Role::kAnyone));
  return identity;
}

Gate::Gate(std::string path, CheckClient check_client, Clock* clock, Log* log)
    : path_(std::move(path)),
      check_client_(std::move(check_client)),
      log_(*log),
      clock_(*clock),
      quotas_(clock) {}

absl::StatusOr<std::unique_ptr<Gate>> Gate::Open(std::string path,
                                                 CheckClient check_client,
                                                 Clock* clock, Log* log) {
  std::unique_ptr<Gate> gate(
      new Gate(std::move(path), std::move(check_client), clock, log));
  if (gate->path_.empty()) return gate;
  if (absl::Status status = gate->Read(); !status.ok()) return status;
  return gate;
}

absl::Status Gate::Read() {
  const auto named = [this](const absl::Status& status) {
    // Errors of files begin with the path.
    const bool has_path = absl::StartsWith(status.message(), path_);
    return absl::Status(status.code(),
                        absl::StrCat("--identities: ", has_path ? "" : path_,
                                     has_path ? "" : ": ", status.message()));
  };
  absl::StatusOr<std::string> content = ReadFile(path_, kMostBytes);
  if (!content.ok()) return named(content.status());
  {
    const MutexLock lock(mutex_);
    if (identities_ != nullptr && *content == content_) return absl::OkStatus();
  }
  absl::StatusOr<Identities> identities = Identities::Parse(*content);
  if (!identities.ok()) return named(identities.status());
  const auto count = static_cast<int64_t>(identities->size());
  log_.Info("identities_loaded", {{"identities", count}});
  const MutexLock lock(mutex_);
  identities_ = std::make_shared<const Identities>(*std::move(identities));
  content_ = *std::move(content);
  stats_.identities = count;
  stats_.last_reload = absl::FromChrono(clock_.Date());
  return absl::OkStatus();
}

void Gate::Refresh() {
  if (path_.empty()) return;
  const absl::Status status = Read();
  const std::string fault(status.message());
  const MutexLock lock(mutex_);
  stats_.last_reload_failed = !status.ok();
  if (!status.ok() && fault != fault_) {
    log_.Error("identities_reload_failed", {{"message", fault}});
  }
  fault_ = fault;
}

absl::StatusOr<IdentityPtr> Gate::Identify(const Shown& shown) const {
  // The certificate first, whatever else is shown: one that was revoked must
  // not be a way in for a stolen token.
  if (!shown.certificate.empty() && check_client_) {
    const absl::Status good = check_client_(shown.certificate, shown.chain);
    if (!good.ok()) {
      return Unauthenticated(
          absl::StrCat("the client certificate is not good: ", good.message()));
    }
  }
  std::shared_ptr<const Identities> identities;
  {
    const MutexLock lock(mutex_);
    identities = identities_;
  }
  if (identities == nullptr) return AnonymousIdentity();
  if (!shown.authorization.empty()) {
    const auto token = TokenOf(shown.authorization.front());
    if (shown.authorization.size() > 1 || !token) {
      return Unauthenticated(
          R"(the metadata "authorization" must be "Bearer TOKEN", once)");
    }
    IdentityPtr identity = identities->FindByToken(*token);
    if (identity != nullptr) return identity;
    return Unauthenticated("nobody has the token that this call shows");
  }
  if (shown.certificate.empty()) {
    return Unauthenticated(
        "this server wants to know who calls: send the metadata "
        "\"authorization: Bearer TOKEN\", or show a client certificate that "
        "one of its identities names");
  }
  IdentityPtr identity = identities->FindByCertificate(shown.names);
  if (identity != nullptr) return identity;
  return Unauthenticated(
      absl::StrCat("no identity has a name of the client certificate (",
                   Quote(absl::StrJoin(shown.names, ", ")), ")"));
}

Admission Gate::Admit(absl::string_view method, const Shown& shown) {
  const Rule* const rule = FindRule(method);
  if (rule == nullptr) {
    return {UnknownIdentity(), Error(Reason::kPermissionDenied,
                                     absl::StrCat("nobody may call ", method,
                                                  ": it has no rule"))};
  }
  if (rule->least == Role::kAnyone)
    return {AnonymousIdentity(), absl::OkStatus()};
  const absl::StatusOr<IdentityPtr> identity = Identify(shown);
  if (!identity.ok()) return {UnknownIdentity(), identity.status()};
  if ((*identity)->role < rule->least) {
    return {*identity, Denied(**identity, method, *rule)};
  }
  return {*identity, quotas_.CountCall(**identity)};
}

GateStats Gate::stats() const {
  const MutexLock lock(mutex_);
  return stats_;
}

}  // namespace adv
