#include "server/security/identities.h"

#include <absl/strings/ascii.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "model_store/model_store.h"
#include "server/security/token.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Good() {
  return {{"name", "ci"},
          {"role", "evaluator"},
          {"token_sha256", Sha256Hex("adv_secret")}};
}

// What Parse says of a list.
std::string FaultOf(const Json& list) {
  return std::string(Identities::Parse(list.dump()).status().message());
}
// Of one entry with a field that is changed.
std::string FaultOf(const std::string& field, const Json& value) {
  Json entry = Good();
  entry[field] = value;
  return FaultOf(Json::array({entry}));
}

TEST(IdentitiesTest, AnEntryIsReadWhole) {
  Json entry = Good();
  entry["certificate"] = {"spiffe://lab/ci", "ci@lab"};
  entry["quota"] = {
      {"calls_per_minute", 60}, {"cost_per_minute", 5000}, {"evaluations", 2}};
  const auto identities = Identities::Parse(Json::array({entry}).dump());
  ASSERT_TRUE(identities.ok()) << identities.status();
  const IdentityPtr ci = identities->FindByToken("adv_secret");
  ASSERT_NE(ci, nullptr);
  EXPECT_EQ(ci->name, "ci");
  EXPECT_EQ(ci->role, Role::kEvaluator);
  EXPECT_EQ(ci->quota.calls_per_minute, 60);
  EXPECT_EQ(ci->quota.cost_per_minute, 5000);
  EXPECT_EQ(ci->quota.evaluations, 2);
  EXPECT_THAT(ci->certificates, ElementsAre("spiffe://lab/ci", "ci@lab"));
  EXPECT_EQ(identities->FindByCertificate({"other", "ci@lab"}), ci);
}

TEST(IdentitiesTest, OnlyTheWholeTokenIsOne) {
  const auto identities = Identities::Parse(Json::array({Good()}).dump());
  ASSERT_TRUE(identities.ok());
  for (const std::string& other :
       {std::string(), std::string("adv_"), std::string("adv_secre"),
        std::string("adv_secret "), std::string("Adv_secret"),
        // The hash itself, which a thief of the file has.
        Sha256Hex("adv_secret")}) {
    EXPECT_EQ(identities->FindByToken(other), nullptr) << other;
  }
  EXPECT_EQ(identities->FindByCertificate({"ci"}), nullptr);
  EXPECT_EQ(identities->FindByCertificate({}), nullptr);
}

TEST(IdentitiesTest, TwoTokensMakeAChangeWithoutAGap) {
  Json entry = Good();
  // Digits of either case, as tools write them.
  std::string upper = Sha256Hex("adv_new");
  absl::AsciiStrToUpper(&upper);
  entry["token_sha256"] = {Sha256Hex("adv_old"), upper};
  const auto identities = Identities::Parse(Json::array({entry}).dump());
  ASSERT_TRUE(identities.ok());
  EXPECT_NE(identities->FindByToken("adv_old"), nullptr);
  EXPECT_EQ(identities->FindByToken("adv_old"),
            identities->FindByToken("adv_new"));
}

TEST(IdentitiesTest, EveryFaultNamesItsField) {
  const std::string digits(64, 'g');
  const std::vector<std::pair<std::string, std::string>> faults = {
      {FaultOf("name", ""), "[0].name must"},
      {FaultOf("name", std::string(65, 'a')), "[0].name must"},
      {FaultOf("name", "a b"), "[0].name must"},
      {FaultOf("name", 3), "[0].name must"},
      {FaultOf("role", "root"), "[0].role must be viewer, evaluator or admin"},
      {FaultOf("role", "anyone"), "[0].role must"},
      {FaultOf("role", nullptr), "[0].role must"},
      {FaultOf("token_sha256", "12ab"), "[0].token_sha256 must be 64"},
      {FaultOf("token_sha256", digits), "[0].token_sha256 must be 64"},
      {FaultOf("token_sha256", Json::array()), "[0].token_sha256 must"},
      {FaultOf("token_sha256", {{"a", 1}}), "[0].token_sha256 must"},
      {FaultOf("certificate", ""), "[0].certificate must"},
      {FaultOf("certificate", {"a", 7}), "[0].certificate must"},
      {FaultOf("quota", 7), "[0].quota must be an object"},
      {FaultOf("quota", {{"calls_per_minute", 0}}),
       "[0].quota.calls_per_minute must be a whole number"},
      {FaultOf("quota", {{"cost_per_minute", -1}}),
       "[0].quota.cost_per_minute must"},
      {FaultOf("quota", {{"evaluations", 1.5}}), "[0].quota.evaluations must"},
      {FaultOf("quota", {{"evaluations", "2"}}), "[0].quota.evaluations must"},
      {FaultOf("quota", {{"evaluations", int64_t{1} << 41}}),
       "[0].quota.evaluations must"},
      {FaultOf("quota", {{"bytes", 1}}), "[0].quota.\"bytes\" is not known"},
      {FaultOf("token", "adv_secret"), "[0].\"token\" is not known"},
      {FaultOf(Json::array({Good(), 3})), "[1] must be an object"},
      {FaultOf(Json::array({Good(), Good()})), "[1].name is that of"},
      {FaultOf(Json::array({Good(), Good()})), "[1].token_sha256 is that of"},
      {FaultOf(Json::array()), "must be a list with at least one identity"},
      {FaultOf(Json::object()), "must be a list"}};
  for (const auto& [message, fault] : faults) {
    EXPECT_THAT(message, HasSubstr(fault));
  }
  for (const char* missing : {"name", "role"}) {
    Json entry = Good();
    entry.erase(missing);
    EXPECT_THAT(FaultOf(Json::array({entry})),
                HasSubstr(std::string("[0].") + missing + " is missing"));
  }
  Json entry = Good();
  entry.erase("token_sha256");
  EXPECT_THAT(FaultOf(Json::array({entry})),
              HasSubstr("[0] needs token_sha256, certificate or both"));
}

TEST(IdentitiesTest, AllFaultsAreToldAtOnce) {
  Json entry = Good();
  entry["role"] = "root";
  entry["name"] = "";
  const std::string message = FaultOf(Json::array({Good(), entry}));
  EXPECT_THAT(message, HasSubstr("[1].role"));
  EXPECT_THAT(message, HasSubstr("[1].name"));
}

TEST(IdentitiesTest, BytesThatAreNoJsonAreRefused) {
  for (const char* text : {"", "[", "\xff", "[{]", "null x"}) {
    EXPECT_FALSE(Identities::Parse(text).ok()) << text;
  }
}

TEST(TokenTest, TokensAreLongAndNeverTheSame) {
  const std::string token = NewToken();
  EXPECT_EQ(token.size(), 4 + 43);
  EXPECT_EQ(token.substr(0, 4), "adv_");
  EXPECT_NE(token, NewToken());
}

TEST(TokenTest, ItsEntryIsThatOfTheIdentity) {
  const std::string token = NewToken();
  const std::string entry = IdentityEntry("ci", "viewer", token);
  EXPECT_THAT(entry, ::testing::Not(HasSubstr(token)));
  const auto identities = Identities::Parse("[" + entry + "]");
  ASSERT_TRUE(identities.ok()) << identities.status();
  EXPECT_EQ(identities->FindByToken(token)->name, "ci");
}

}  // namespace
}  // namespace adv
