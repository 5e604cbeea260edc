#include "server/security/tls.h"

#include <gmock/gmock.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "tests/server/security/made_certificates.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    Write(files_.client_ca, authority_.certificate());
    Write(files_.crl, authority_.Revoke({}));
    WritePair(first_);
  }

  void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  void WritePair(const MadeAuthority::Pair& pair) {
    Write(files_.certificate, pair.certificate);
    Write(files_.key, pair.key);
  }
  std::unique_ptr<Tls> Open() {
    auto tls = Tls::Open(files_, &log_);
    EXPECT_TRUE(tls.ok()) << tls.status();
    return *std::move(tls);
  }
  std::string FaultAtTheStart() {
    return std::string(Tls::Open(files_, &log_).status().message());
  }

  const MadeAuthority authority_{"authority"};
  const MadeAuthority::Pair first_ = authority_.Issue(0x11);
  TemporaryFolder folder_;
  const TlsFiles files_{folder_ / "certificate", folder_ / "key",
                        folder_ / "ca", folder_ / "crl"};
  std::ostringstream log_text_;
  Log log_{log_text_, LogFormat::kText};
};

TEST_F(TlsTest, NewFilesAreTakenOver) {
  const auto tls = Open();
  EXPECT_THAT(log_text_.str(), HasSubstr("event=tls_loaded serial=11"));
  const absl::Time before = tls->stats().not_after;
  WritePair(authority_.Issue(0x22, -kDay, 9 * kDay));
  tls->Refresh();
  EXPECT_THAT(log_text_.str(), HasSubstr("serial=22"));
  EXPECT_GT(tls->stats().not_after, before + absl::Hours(24 * 7));
  tls->Refresh();
  EXPECT_EQ(log_text_.str().find("serial=22"),
            log_text_.str().rfind("serial=22"));
}

TEST_F(TlsTest, FilesThatDoNotFitChangeNothingAndAreToldOnce) {
  const auto tls = Open();
  Write(files_.key, authority_.Issue(0x33).key);
  tls->Refresh();
  // Perhaps someone is just exchanging the two.
  EXPECT_THAT(log_text_.str(), Not(HasSubstr("tls_reload_failed")));
  EXPECT_TRUE(tls->stats().last_reload_failed);
  for (int i = 0; i < 3; ++i) tls->Refresh();
  const std::string log = log_text_.str();
  EXPECT_THAT(log, HasSubstr("the key does not belong"));
  EXPECT_EQ(log.find("tls_reload_failed"), log.rfind("tls_reload_failed"));
  Write(files_.key, first_.key);
  tls->Refresh();
  EXPECT_FALSE(tls->stats().last_reload_failed);
}

TEST_F(TlsTest, RevocationReachesClientsThatWereGood) {
  const auto tls = Open();
  const std::string client = authority_.Issue(0x44).certificate;
  EXPECT_TRUE(tls->CheckClient(client, "").ok());
  Write(files_.crl, authority_.Revoke({0x44}));
  tls->Refresh();
  EXPECT_EQ(std::string(tls->CheckClient(client, "").message()),
            "certificate revoked");
  // A damaged list brings nobody back.
  Write(files_.crl, "text");
  tls->Refresh();
  EXPECT_FALSE(tls->CheckClient(client, "").ok());
}

TEST_F(TlsTest, AFaultAtTheStartNamesItsFlag) {
  Write(files_.crl, "text");
  EXPECT_THAT(FaultAtTheStart(), HasSubstr("--tls-crl: "));
  Write(files_.crl, "");
  EXPECT_THAT(FaultAtTheStart(), HasSubstr("--tls-crl: "));
  Write(files_.client_ca, "text");
  Write(files_.crl, authority_.Revoke({}));
  EXPECT_THAT(FaultAtTheStart(), HasSubstr("--tls-client-ca: "));
  Write(files_.certificate, "text");
  EXPECT_THAT(FaultAtTheStart(), HasSubstr("--tls-certificate: "));
}

}  // namespace
}  // namespace adv
