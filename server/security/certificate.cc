#include "server/security/certificate.h"

#include <absl/strings/str_cat.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <utility>
#include <vector>

namespace adv {
namespace {

// A check takes as long as a small call, and clients make many calls with one
// certificate.
constexpr std::chrono::seconds kVerdictLasts{10};
constexpr size_t kMostVerdicts = 4096;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using RevocationList = std::unique_ptr<X509_CRL, Freed<X509_CRL_free>>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

absl::Status BadPem(absl::string_view fault) {
  return absl::InvalidArgumentError(fault);
}

// Nobody can be asked for the password of a key, least of all on a terminal.
int NoPassword(char*, int, int, void*) { return -1; }

Bio Pem(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// All objects of one kind in a PEM text.
template <typename Object, auto Read>
std::vector<Object> ReadAll(const std::string& text) {
  const Bio bio = Pem(text);
  std::vector<Object> objects;
  while (auto* object = Read(bio.get(), nullptr, &NoPassword, nullptr)) {
    objects.emplace_back(object);
  }
  // The end of the text is an error for OpenSSL, too.
  ERR_clear_error();
  return objects;
}

std::vector<Certificate> ReadCertificates(const std::string& text) {
  return ReadAll<Certificate, PEM_read_bio_X509>(text);
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string SerialOf(X509* certificate) {
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* const text = BN_bn2hex(number.get());
  std::string serial = text;
  OPENSSL_free(text);
  return serial;
}

}  // namespace

absl::StatusOr<CertificateFacts> CheckKeyPair(const std::string& chain,
                                              const std::string& key) {
  const std::vector<Certificate> certificates = ReadCertificates(chain);
  if (certificates.empty()) return BadPem("the file holds no PEM certificate");
  const Key secret(
      PEM_read_bio_PrivateKey(Pem(key).get(), nullptr, &NoPassword, nullptr));
  ERR_clear_error();
  if (secret == nullptr) {
    return BadPem("the key's file holds no PEM key without a password");
  }
  X509* const first = certificates.front().get();
  const bool fits = X509_check_private_key(first, secret.get()) == 1;
  ERR_clear_error();
  if (!fits) return BadPem("the key does not belong to the certificate");
  CertificateFacts facts{SerialOf(first), TimeOf(X509_get0_notAfter(first))};
  if (X509_cmp_current_time(X509_get0_notAfter(first)) < 0) {
    return BadPem(absl::StrCat("the certificate expired on ",
                               absl::FormatTime(facts.not_after)));
  }
  if (X509_cmp_current_time(X509_get0_notBefore(first)) > 0) {
    return BadPem(
        absl::StrCat("the certificate is not valid before ",
                     absl::FormatTime(TimeOf(X509_get0_notBefore(first)))));
  }
  return facts;
}

absl::StatusOr<std::shared_ptr<const ClientCheck>> ClientCheck::Make(
    const std::string& authorities, const std::string& revoked) {
  const std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  const auto certificates = ReadCertificates(authorities);
  if (certificates.empty()) return BadPem("the file holds no PEM certificate");
  // The store counts its own references.
  for (const Certificate& each : certificates) {
    X509_STORE_add_cert(store.get(), each.get());
  }
  const auto lists = ReadAll<RevocationList, PEM_read_bio_X509_CRL>(revoked);
  if (lists.empty() && !revoked.empty()) {
    return BadPem("the file holds no PEM revocation list");
  }
  for (const RevocationList& each : lists) {
    X509_STORE_add_crl(store.get(), each.get());
  }
  if (!lists.empty()) X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK);
  X509_STORE_set_purpose(store.get(), X509_PURPOSE_SSL_CLIENT);
  ERR_clear_error();
  return std::shared_ptr<const ClientCheck>(new ClientCheck(store));
}

absl::Status ClientCheck::Check(const std::string& certificate,
                                const std::string& chain) const {
  const auto now = std::chrono::steady_clock::now();
  {
    const MutexLock lock(mutex_);
    const auto known = verdicts_.find(certificate);
    if (known != verdicts_.end() && now < known->second.until) {
      return known->second.status;
    }
  }
  absl::Status status = Verify(certificate, chain);
  const MutexLock lock(mutex_);
  if (verdicts_.size() >= kMostVerdicts) verdicts_.clear();
  verdicts_[certificate] = {now + kVerdictLasts, status};
  return status;
}

absl::Status ClientCheck::Verify(const std::string& certificate,
                                 const std::string& chain) const {
  const auto leaf = ReadCertificates(certificate);
  if (leaf.empty()) return BadPem("no certificate");
  const auto others = ReadCertificates(chain);
  const std::unique_ptr<STACK_OF(X509), FreeStack> untrusted(
      sk_X509_new_null());
  for (const Certificate& each : others) {
    sk_X509_push(untrusted.get(), each.get());
  }
  const std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>> context(
      X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store_.get(), leaf.front().get(),
                      untrusted.get());
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (good) return absl::OkStatus();
  return BadPem(
      X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
}

}  // namespace adv
