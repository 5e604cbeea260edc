#include "client/session/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace adv {
namespace {

template <typename T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* object) const { kFree(object); }
};
template <typename T, void (*kFree)(T*)>
using Owned = std::unique_ptr<T, Freed<T, kFree>>;

using Certificate = Owned<X509, X509_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Source = Owned<BIO, BIO_free_all>;

Source From(const std::string& text) {
  return Source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Certificate ReadCertificate(const std::string& pem) {
  Certificate certificate(
      PEM_read_bio_X509(From(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

// OpenSSL would ask for a password on the terminal; gRPC cannot.
int NoPassword(char* /*buffer*/, int /*size*/, int /*write*/, void* /*data*/) {
  return -1;
}

}  // namespace

absl::Status CheckCertificate(const std::string& pem) {
  if (ReadCertificate(pem) != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError("holds no certificate in PEM");
}

absl::Status CheckKeyPair(const std::string& certificate,
                          const std::string& key) {
  const Key read(
      PEM_read_bio_PrivateKey(From(key).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (read == nullptr) {
    return absl::InvalidArgumentError(
        "holds no private key in PEM, or one with a password");
  }
  const Certificate shown = ReadCertificate(certificate);
  const bool fits =
      shown != nullptr && X509_check_private_key(shown.get(), read.get()) == 1;
  ERR_clear_error();
  return fits ? absl::OkStatus()
              : absl::InvalidArgumentError("is not the key of the certificate");
}

}  // namespace adv
