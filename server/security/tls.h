#ifndef ADV_SERVER_SECURITY_TLS_H_
#define ADV_SERVER_SECURITY_TLS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "server/compute/mutex.h"
#include "server/security/certificate.h"
#include "server/telemetry/log.h"

struct grpc_ssl_server_certificate_config;

namespace adv {

// PEM files. Those that are empty are not used.
struct TlsFiles {
  std::string certificate;  // with the chain to its authority
  std::string key;
  // Authorities of clients' certificates. Without it none is asked for.
  std::string client_ca;
  // Revocation lists of these authorities.
  std::string crl;
  // A client without a certificate is turned away.
  bool require_client_certificate = false;
};

struct TlsStats {
  absl::Time not_after;             // of the certificate that is shown now
  bool last_reload_failed = false;  // the files are not what is used
};

// The server's certificate and those of its clients. The files may change: all
// of them are taken over together, and connections that are open stay so.
//
// Thread-safe.
class Tls {
 public:
  // INVALID_ARGUMENT, NOT_FOUND or another error of a file, which names the
  // flag. `log` must outlive it.
  static absl::StatusOr<std::unique_ptr<Tls>> Open(TlsFiles files, Log* log);
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // For one server. It must not outlive this object.
  std::shared_ptr<grpc::ServerCredentials> Credentials();

  // Looks at the files. If all of them are good, new connections get them;
  // otherwise everything stays as it is, and the log says why, once.
  void Refresh() ADV_EXCLUDES(mutex_);

  // Whether a client's certificate is still good, in case it was revoked or
  // has expired since its connection began. OK if none is asked for.
  absl::Status CheckClient(const std::string& certificate,
                           const std::string& chain) const ADV_EXCLUDES(mutex_);

  TlsStats stats() const ADV_EXCLUDES(mutex_);

 private:
  struct Content {
    std::string certificate, key, client_ca, crl;

    bool operator==(const Content& other) const;
  };

  Tls(TlsFiles files, Log* log) : files_(std::move(files)), log_(*log) {}
  absl::StatusOr<Content> Read() const;
  absl::Status Take(const Content& content) ADV_EXCLUDES(mutex_);
  // Called by gRPC at each handshake. Null: nothing is new.
  grpc_ssl_server_certificate_config* TakeConfig() ADV_EXCLUDES(mutex_);
  friend class TlsCredentials;

  const TlsFiles files_;
  Log& log_;

  mutable Mutex mutex_;
  Content current_ ADV_GUARDED_BY(mutex_);
  // gRPC does not have `current_` yet.
  bool is_new_ ADV_GUARDED_BY(mutex_) = false;
  // What was wrong with the files, and at how many looks in a row.
  std::string fault_ ADV_GUARDED_BY(mutex_);
  int fault_seen_ ADV_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const ClientCheck> clients_ ADV_GUARDED_BY(mutex_);
  TlsStats stats_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_TLS_H_
