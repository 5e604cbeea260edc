#include "server/security/certificate.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/server/security/made_certificates.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

const MadeAuthority& Authority() {
  static const auto& authority = *new MadeAuthority("authority");
  return authority;
}

std::string FaultOf(const std::string& certificate, const std::string& key) {
  return std::string(CheckKeyPair(certificate, key).status().message());
}

absl::Status Check(const std::string& certificate,
                   const std::string& revoked = "") {
  const auto check = ClientCheck::Make(Authority().certificate(), revoked);
  EXPECT_TRUE(check.ok()) << check.status();
  return (*check)->Check(certificate, "");
}

TEST(CertificateTest, APairThatFitsSaysWhoItIs) {
  const auto pair = Authority().Issue(0x1234);
  // What follows the first certificate is its chain.
  const auto facts =
      CheckKeyPair(pair.certificate + Authority().certificate(), pair.key);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->serial, "1234");
  const absl::Duration left = facts->not_after - absl::Now();
  EXPECT_GT(left, absl::Hours(23));
  EXPECT_LE(left, absl::Hours(24));
}

TEST(CertificateTest, WhatIsWrongWithAPairIsSaid) {
  const auto pair = Authority().Issue(1);
  const auto other = Authority().Issue(2);
  const auto old = Authority().Issue(3, -2 * kDay, -kDay);
  const auto early = Authority().Issue(4, kDay, 2 * kDay);
  EXPECT_THAT(FaultOf("text", pair.key), HasSubstr("no PEM certificate"));
  EXPECT_THAT(FaultOf(pair.key, pair.key), HasSubstr("no PEM certificate"));
  EXPECT_THAT(FaultOf(pair.certificate, pair.certificate),
              HasSubstr("no PEM key without a password"));
  // Nobody is asked for the password.
  EXPECT_THAT(FaultOf(pair.certificate,
                      MadeAuthority::PemKey(pair.secret.get(), "secret")),
              HasSubstr("no PEM key without a password"));
  EXPECT_THAT(FaultOf(pair.certificate, other.key),
              HasSubstr("the key does not belong to the certificate"));
  EXPECT_THAT(FaultOf(old.certificate, old.key), HasSubstr("expired on 20"));
  EXPECT_THAT(FaultOf(early.certificate, early.key),
              HasSubstr("not valid before 20"));
}

TEST(ClientCheckTest, OnlyCertificatesOfTheAuthorityAreGood) {
  const MadeAuthority foreign("authority");
  EXPECT_TRUE(Check(Authority().Issue(5).certificate).ok());
  EXPECT_FALSE(Check(foreign.Issue(5).certificate).ok());
  EXPECT_FALSE(Check("text").ok());
  EXPECT_THAT(
      std::string(
          Check(Authority().Issue(6, -2 * kDay, -kDay).certificate).message()),
      HasSubstr("expired"));
}

TEST(ClientCheckTest, WhatAListNamesIsRevoked) {
  const std::string list = Authority().Revoke({7});
  EXPECT_TRUE(Check(Authority().Issue(8).certificate, list).ok());
  EXPECT_EQ(
      std::string(Check(Authority().Issue(7).certificate, list).message()),
      "certificate revoked");
}

TEST(ClientCheckTest, WithoutAValidListOfItsIssuerNoneIsGood) {
  const std::string certificate = Authority().Issue(8).certificate;
  EXPECT_THAT(
      std::string(Check(certificate, Authority().Revoke({}, -kDay)).message()),
      HasSubstr("CRL has expired"));
  EXPECT_THAT(
      std::string(
          Check(certificate, MadeAuthority("other").Revoke({})).message()),
      HasSubstr("unable to get certificate CRL"));
}

TEST(ClientCheckTest, TextsWithoutWhatIsNeededAreRefused) {
  EXPECT_FALSE(ClientCheck::Make("text", "").ok());
  EXPECT_FALSE(ClientCheck::Make(Authority().certificate(), "text").ok());
}

}  // namespace
}  // namespace adv
