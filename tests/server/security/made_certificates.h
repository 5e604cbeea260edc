#ifndef ADV_TESTS_SERVER_SECURITY_MADE_CERTIFICATES_H_
#define ADV_TESTS_SERVER_SECURITY_MADE_CERTIFICATES_H_

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace adv {

inline constexpr int64_t kDay = 86400;  // seconds

// An authority that signs what tests need. Times are seconds from now.
class MadeAuthority {
 public:
  explicit MadeAuthority(const std::string& name)
      : key_(EVP_EC_gen("P-256"), EVP_PKEY_free),
        certificate_(Sign(name, key_.get(), 1, -kDay, 30 * kDay, nullptr)) {}

  // A pair of PEM texts.
  struct Pair {
    std::string certificate;
    std::string key;
    std::shared_ptr<EVP_PKEY> secret;
  };

  std::string certificate() const { return Pem(certificate_.get()); }

  Pair Issue(int serial, int64_t from = -kDay, int64_t to = kDay) const {
    const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const auto certificate =
        Sign("leaf", key.get(), serial, from, to, certificate_.get());
    return {Pem(certificate.get()), PemKey(key.get(), ""), key};
  }

  // A revocation list that names these serials.
  std::string Revoke(const std::vector<int>& serials,
                     int64_t next_update = kDay) const {
    const std::shared_ptr<X509_CRL> list(X509_CRL_new(), X509_CRL_free);
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(),
                             X509_get_subject_name(certificate_.get()));
    X509_CRL_set1_lastUpdate(list.get(), Time(-2 * kDay).get());
    X509_CRL_set1_nextUpdate(list.get(), Time(next_update).get());
    for (const int serial : serials) {
      X509_REVOKED* const entry = X509_REVOKED_new();
      const std::shared_ptr<ASN1_INTEGER> number(ASN1_INTEGER_new(),
                                                 ASN1_INTEGER_free);
      ASN1_INTEGER_set(number.get(), serial);
      X509_REVOKED_set_serialNumber(entry, number.get());
      X509_REVOKED_set_revocationDate(entry, Time(-kDay).get());
      X509_CRL_add0_revoked(list.get(), entry);
    }
    X509_CRL_sign(list.get(), key_.get(), EVP_sha256());
    return Text([&](BIO* bio) { PEM_write_bio_X509_CRL(bio, list.get()); });
  }

  // A key as PEM; with a password unless that is empty.
  static std::string PemKey(EVP_PKEY* key, const std::string& password) {
    return Text([&](BIO* bio) {
      PEM_write_bio_PKCS8PrivateKey(
          bio, key, password.empty() ? nullptr : EVP_aes_128_cbc(),
          password.data(), static_cast<int>(password.size()), nullptr, nullptr);
    });
  }

 private:
  template <typename Write>
  static std::string Text(const Write& write) {
    const std::shared_ptr<BIO> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    write(bio.get());
    char* bytes = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &bytes);
    return {bytes, static_cast<size_t>(size)};
  }
  static std::string Pem(X509* certificate) {
    return Text([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
  }
  static std::shared_ptr<ASN1_TIME> Time(int64_t from_now) {
    return {ASN1_TIME_set(nullptr, std::time(nullptr) + from_now),
            ASN1_TIME_free};
  }

  // Signed by this authority; by itself if `issuer` is null.
  std::shared_ptr<X509> Sign(const std::string& name, EVP_PKEY* key, int serial,
                             int64_t from, int64_t to, X509* issuer) const {
    std::shared_ptr<X509> made(X509_new(), X509_free);
    X509* const x = made.get();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_set1_notBefore(x, Time(from).get());
    X509_set1_notAfter(x, Time(to).get());
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(x), "CN", MBSTRING_ASC,
        reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    X509_set_pubkey(x, key);
    if (issuer == nullptr) {
      for (const auto& [id, value] :
           {std::pair(NID_basic_constraints, "critical,CA:TRUE"),
            std::pair(NID_key_usage, "keyCertSign,cRLSign")}) {
        const std::shared_ptr<X509_EXTENSION> extension(
            X509V3_EXT_conf_nid(nullptr, nullptr, id, value),
            X509_EXTENSION_free);
        X509_add_ext(x, extension.get(), -1);
      }
    }
    EXPECT_GT(X509_sign(x, key_.get(), EVP_sha256()), 0);
    return made;
  }

  const std::shared_ptr<EVP_PKEY> key_;
  const std::shared_ptr<X509> certificate_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_SECURITY_MADE_CERTIFICATES_H_
