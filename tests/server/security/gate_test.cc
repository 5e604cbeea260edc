#include "server/security/gate.h"

#include <gmock/gmock.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "server/security/token.h"
#include "server/wire/errors.h"
#include "tests/server/manual_clock.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kList[] = "adv.v1.ModelService/ListModels";
constexpr char kClassify[] = "adv.v1.AttackEvaluationService/Classify";
constexpr char kReload[] = "adv.v1.ModelService/ReloadModels";
constexpr char kHealth[] = "grpc.health.v1.Health/Check";

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    Write("[" + IdentityEntry("eve", "evaluator", "adv_eve") + "," +
          IdentityEntry("ada", "admin", "adv_ada") +
          R"(,{"name": "lab", "role": "viewer", "certificate": "spiffe://lab",
               "quota": {"calls_per_minute": 2}}])");
  }

  void Write(const std::string& text) { std::ofstream(path_) << text; }

  std::unique_ptr<Gate> Open(const std::string& path,
                             Gate::CheckClient check = nullptr) {
    auto gate = Gate::Open(path, std::move(check), &clock_, &log_);
    EXPECT_TRUE(gate.ok()) << gate.status();
    return *std::move(gate);
  }

  static Shown Token(const std::string& token) {
    Shown shown;
    shown.authorization = {"Bearer " + token};
    return shown;
  }
  static Shown Certificate(const std::string& name) {
    Shown shown;
    shown.certificate = "pem";
    shown.names = {"DNS:x", name};
    return shown;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "identities.json";
  std::ostringstream log_text_;
  Log log_{log_text_, LogFormat::kText};
  ManualClock clock_;
};

TEST_F(GateTest, WithoutAFileEverybodyIsAnAdmin) {
  const auto gate = Open("");
  const Admission admission = gate->Admit(kReload, {});
  EXPECT_TRUE(admission.status.ok());
  EXPECT_EQ(admission.identity->name, "anonymous");
  gate->Refresh();
  EXPECT_EQ(gate->stats().identities, 0);
}

TEST_F(GateTest, RolesDecideWhatATokenMayDo) {
  const auto gate = Open(path_);
  EXPECT_TRUE(gate->Admit(kList, Token("adv_eve")).status.ok());
  EXPECT_EQ(gate->Admit(kClassify, Token("adv_eve")).identity->name, "eve");
  EXPECT_TRUE(gate->Admit(kReload, Token("adv_ada")).status.ok());
  const Admission denied = gate->Admit(kReload, Token("adv_eve"));
  EXPECT_EQ(denied.identity->name, "eve");
  EXPECT_TRUE(HasReason(denied.status, Reason::kPermissionDenied));
  for (const char* part : {kReload, "admin", "eve", "evaluator"}) {
    EXPECT_THAT(std::string(denied.status.message()), HasSubstr(part));
  }
}

TEST_F(GateTest, WhatIsNoCredentialIsRefusedWithoutRepeatingIt) {
  const auto gate = Open(path_);
  Shown basic = Token("adv_ada");
  basic.authorization = {"Basic adv_ada"};
  Shown twice = Token("adv_ada");
  twice.authorization.push_back("Bearer adv_eve");
  Shown bare = Token("adv_ada");
  bare.authorization = {"adv_ada"};
  // A good certificate does not make up for a wrong token.
  Shown both = Certificate("spiffe://lab");
  both.authorization = {"Bearer adv_adb"};
  for (const Shown& shown : {Shown(), Token(""), Token("adv_adb"), basic, twice,
                             bare, both, Certificate("spiffe://other")}) {
    const Admission admission = gate->Admit(kList, shown);
    EXPECT_TRUE(HasReason(admission.status, Reason::kUnauthenticated));
    EXPECT_EQ(admission.identity, UnknownIdentity());
    EXPECT_THAT(std::string(admission.status.message()),
                Not(HasSubstr("adv_")));
  }
}

TEST_F(GateTest, TheSchemeMayBeWrittenInAnyCase) {
  const auto gate = Open(path_);
  Shown shown;
  shown.authorization = {"bearer adv_eve"};
  EXPECT_TRUE(gate->Admit(kList, shown).status.ok());
}

TEST_F(GateTest, ACertificateIsAnIdentityAndATokenIsTheStrongerOne) {
  const auto gate = Open(path_);
  EXPECT_EQ(gate->Admit(kList, Certificate("spiffe://lab")).identity->name,
            "lab");
  Shown both = Certificate("spiffe://lab");
  both.authorization = {"Bearer adv_ada"};
  EXPECT_EQ(gate->Admit(kList, both).identity->name, "ada");
}

TEST_F(GateTest, ACertificateThatIsNoLongerGoodShutsOut) {
  const auto bad = [](const std::string&, const std::string&) {
    return absl::InvalidArgumentError("certificate revoked");
  };
  Shown both = Certificate("spiffe://lab");
  both.authorization = {"Bearer adv_ada"};
  // Also where nobody is asked who they are.
  for (const std::string& path : {path_, std::string()}) {
    const auto gate = Open(path, bad);
    const Admission admission = gate->Admit(kList, both);
    EXPECT_TRUE(HasReason(admission.status, Reason::kUnauthenticated));
    EXPECT_THAT(std::string(admission.status.message()),
                HasSubstr("certificate revoked"));
    EXPECT_TRUE(gate->Admit(kHealth, both).status.ok());
  }
}

TEST_F(GateTest, HealthIsOpenAndWhatHasNoRuleIsClosed) {
  const auto gate = Open(path_);
  EXPECT_TRUE(gate->Admit(kHealth, {}).status.ok());
  for (const std::string& path : {path_, std::string()}) {
    const Admission admission =
        Open(path)->Admit("adv.v1.New/Method", Token("adv_ada"));
    EXPECT_TRUE(HasReason(admission.status, Reason::kPermissionDenied));
  }
}

TEST_F(GateTest, CallsAreCountedAgainstTheQuota) {
  const auto gate = Open(path_);
  const Shown lab = Certificate("spiffe://lab");
  // What the role forbids does not count.
  EXPECT_FALSE(gate->Admit(kReload, lab).status.ok());
  EXPECT_TRUE(gate->Admit(kList, lab).status.ok());
  EXPECT_TRUE(gate->Admit(kList, lab).status.ok());
  const Admission refused = gate->Admit(kList, lab);
  EXPECT_EQ(refused.identity->name, "lab");
  EXPECT_TRUE(HasReason(refused.status, Reason::kQuotaExceeded));
}

TEST_F(GateTest, AChangedFileCountsFromTheNextLook) {
  const auto gate = Open(path_);
  clock_.Advance(std::chrono::seconds(5));
  Write("[" + IdentityEntry("eve", "viewer", "adv_other") + "]");
  EXPECT_TRUE(gate->Admit(kList, Token("adv_eve")).status.ok());
  gate->Refresh();
  EXPECT_FALSE(gate->Admit(kList, Token("adv_eve")).status.ok());
  EXPECT_TRUE(gate->Admit(kList, Token("adv_other")).status.ok());
  EXPECT_EQ(gate->stats().identities, 1);
  EXPECT_EQ(gate->stats().last_reload, absl::FromChrono(clock_.Date()));
}

TEST_F(GateTest, ADamagedFileChangesNothingAndIsToldOnce) {
  const auto gate = Open(path_);
  Write(R"([{"name": "eve", "role": "root"}])");
  for (int i = 0; i < 3; ++i) gate->Refresh();
  EXPECT_TRUE(gate->Admit(kList, Token("adv_eve")).status.ok());
  EXPECT_TRUE(gate->stats().last_reload_failed);
  const std::string log = log_text_.str();
  EXPECT_THAT(log, HasSubstr("event=identities_reload_failed"));
  EXPECT_THAT(log, HasSubstr("[0].role"));
  EXPECT_EQ(log.find("reload_failed"), log.rfind("reload_failed"));
  Write("[" + IdentityEntry("eve", "viewer", "adv_other") + "]");
  gate->Refresh();
  EXPECT_FALSE(gate->stats().last_reload_failed);
  EXPECT_TRUE(gate->Admit(kList, Token("adv_other")).status.ok());
}

TEST_F(GateTest, AFaultAtTheStartNamesFlagFileAndField) {
  Write("[{}]");
  for (const std::string& path : {path_, path_ + ".missing"}) {
    const auto gate = Gate::Open(path, nullptr, &clock_, &log_);
    ASSERT_FALSE(gate.ok());
    EXPECT_THAT(std::string(gate.status().message()),
                HasSubstr("--identities: " + path));
  }
}

}  // namespace
}  // namespace adv
