#ifndef ADV_SERVER_SECURITY_CERTIFICATE_H_
#define ADV_SERVER_SECURITY_CERTIFICATE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <openssl/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/compute/mutex.h"

namespace adv {

// What the server needs to know of PEM texts. Errors are INVALID_ARGUMENT and
// say what is wrong with the text; none of them quotes it.

struct CertificateFacts {
  std::string serial;    // in upper-case hexadecimal
  absl::Time not_after;  // from then on nobody accepts it
};

// The first certificate of `chain`, which is valid now and belongs to `key`.
absl::StatusOr<CertificateFacts> CheckKeyPair(const std::string& chain,
                                              const std::string& key);

// Whether the certificates of clients are good: signed by one of our
// authorities, valid now, not revoked.
//
// Thread-safe.
class ClientCheck {
 public:
  // `authorities`: at least one certificate. `revoked`: empty, or at least one
  // revocation list; then a certificate is good only if there is a list of its
  // issuer that is valid now.
  static absl::StatusOr<std::shared_ptr<const ClientCheck>> Make(
      const std::string& authorities, const std::string& revoked);

  // OK, or why `certificate` is not good, as OpenSSL says it. `chain`: what
  // its client sent beside it. The answer may be 10 s old.
  absl::Status Check(const std::string& certificate,
                     const std::string& chain) const ADV_EXCLUDES(mutex_);

 private:
  struct Verdict {
    std::chrono::steady_clock::time_point until;
    absl::Status status;
  };

  absl::Status Verify(const std::string& certificate,
                      const std::string& chain) const;
  explicit ClientCheck(std::shared_ptr<X509_STORE> store)
      : store_(std::move(store)) {}

  const std::shared_ptr<X509_STORE> store_;
  mutable Mutex mutex_;
  // By certificate.
  mutable std::map<std::string, Verdict> verdicts_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_CERTIFICATE_H_
