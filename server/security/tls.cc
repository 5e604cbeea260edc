#include "server/security/tls.h"

#include <absl/strings/str_cat.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <tuple>
#include <utility>

#include "model_store/durable_file.h"

namespace adv {
namespace {

// A path that was given by mistake must not fill the memory.
constexpr uint64_t kMostPemBytes = uint64_t{4} << 20;

absl::Status OfFlag(const char* flag, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(flag, ": ", status.message()));
}

}  // namespace

// gRPC's C++ classes for certificates that change have two faults in 1.51: they
// drop the old pair before they look at the new one, and they see a change
// after a second at the earliest. Its C interface asks at each handshake and
// keeps the old pair if the new one is bad.
class TlsCredentials final : public grpc::ServerCredentials {
 public:
  TlsCredentials(grpc_ssl_client_certificate_request_type clients, Tls* tls)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                clients, &TlsCredentials::Fetch, tls))) {}
  ~TlsCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* tls, grpc_ssl_server_certificate_config** config) {
    *config = static_cast<Tls*>(tls)->TakeConfig();
    return *config != nullptr ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW
                              : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  }

  int AddPortToServer(const std::string& address,
                      grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

bool Tls::Content::operator==(const Content& other) const {
  const auto all = [](const Content& content) {
    return std::tie(content.certificate, content.key, content.client_ca,
                    content.crl);
  };
  return all(*this) == all(other);
}

absl::StatusOr<std::unique_ptr<Tls>> Tls::Open(TlsFiles files, Log* log) {
  std::unique_ptr<Tls> tls(new Tls(std::move(files), log));
  const absl::StatusOr<Content> content = tls->Read();
  if (!content.ok()) return content.status();
  if (absl::Status status = tls->Take(*content); !status.ok()) return status;
  return tls;
}

absl::StatusOr<Tls::Content> Tls::Read() const {
  Content content;
  for (const auto& [flag, path, text] :
       {std::tuple("--tls-certificate", &files_.certificate,
                   &content.certificate),
        std::tuple("--tls-key", &files_.key, &content.key),
        std::tuple("--tls-client-ca", &files_.client_ca, &content.client_ca),
        std::tuple("--tls-crl", &files_.crl, &content.crl)}) {
    if (path->empty()) continue;
    absl::StatusOr<std::string> bytes = ReadFile(*path, kMostPemBytes);
    if (!bytes.ok()) return OfFlag(flag, bytes.status());
    *text = *std::move(bytes);
    if (text->empty()) {
      return OfFlag(
          flag, absl::InvalidArgumentError(absl::StrCat(*path, " is empty")));
    }
  }
  return content;
}

absl::Status Tls::Take(const Content& content) {
  const auto facts = CheckKeyPair(content.certificate, content.key);
  if (!facts.ok()) return OfFlag("--tls-certificate", facts.status());
  std::shared_ptr<const ClientCheck> clients;
  if (!content.client_ca.empty()) {
    // The authorities alone first, so that a fault names the right flag.
    auto check = ClientCheck::Make(content.client_ca, "");
    if (!check.ok()) return OfFlag("--tls-client-ca", check.status());
    check = ClientCheck::Make(content.client_ca, content.crl);
    if (!check.ok()) return OfFlag("--tls-crl", check.status());
    clients = *std::move(check);
  }
  log_.Info("tls_loaded",
            {{"serial", facts->serial},
             {"not_after", absl::FormatTime(absl::RFC3339_sec, facts->not_after,
                                            absl::UTCTimeZone())}});
  const MutexLock lock(mutex_);
  current_ = content;
  is_new_ = true;
  clients_ = std::move(clients);
  stats_.not_after = facts->not_after;
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> Tls::Credentials() {
  const auto clients =
      files_.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
      : files_.require_client_certificate
          ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
          : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  return std::make_shared<TlsCredentials>(clients, this);
}

grpc_ssl_server_certificate_config* Tls::TakeConfig() {
  const MutexLock lock(mutex_);
  if (!is_new_) return nullptr;
  is_new_ = false;
  const grpc_ssl_pem_key_cert_pair pair = {current_.key.c_str(),
                                           current_.certificate.c_str()};
  // gRPC ends the process if there are no authorities. Where clients are not
  // asked for certificates, it uses none, so any do.
  const std::string& authorities =
      current_.client_ca.empty() ? current_.certificate : current_.client_ca;
  return grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair,
                                                   1);
}

void Tls::Refresh() {
  const absl::StatusOr<Content> content = Read();
  absl::Status status = content.status();
  bool changed = false;
  if (status.ok()) {
    {
      const MutexLock lock(mutex_);
      changed = !(*content == current_);
    }
    if (changed) status = Take(*content);
  }
  const std::string fault(status.message());
  const MutexLock lock(mutex_);
  stats_.last_reload_failed = !status.ok();
  fault_seen_ = status.ok() ? 0 : fault == fault_ ? fault_seen_ + 1 : 1;
  fault_ = fault;
  // At the second look: while two files are exchanged, one after the other,
  // they do not fit for a moment.
  if (fault_seen_ == 2) log_.Error("tls_reload_failed", {{"message", fault}});
}

absl::Status Tls::CheckClient(const std::string& certificate,
                              const std::string& chain) const {
  std::shared_ptr<const ClientCheck> clients;
  {
    const MutexLock lock(mutex_);
    clients = clients_;
  }
  return clients == nullptr ? absl::OkStatus()
                            : clients->Check(certificate, chain);
}

TlsStats Tls::stats() const {
  const MutexLock lock(mutex_);
  return stats_;
}

}  // namespace adv
