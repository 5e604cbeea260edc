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
// Of one entry with a field whose JSON is changed.
std::string FaultWith(const char* field, const std::string& json) {
  Json entry = Good();
  entry[field] = Json::parse(json);
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
  const std::vector<std::pair<std::string, std::string>> faults = {
      {FaultWith("name", R"("")"), "[0].name must"},
      {FaultWith("name", '"' + std::string(65, 'a') + '"'), "[0].name must"},
      {FaultWith("name", R"("a b")"), "[0].name must"},
      {FaultWith("name", "3"), "[0].name must"},
      {FaultWith("role", R"("root")"),
       "[0].role must be viewer, evaluator or admin"},
      {FaultWith("role", R"("anyone")"), "[0].role must"},
      {FaultWith("role", "null"), "[0].role must"},
      {FaultWith("token_sha256", R"("12ab")"), "[0].token_sha256 must be 64"},
      {FaultWith("token_sha256", '"' + std::string(64, 'g') + '"'),
       "[0].token_sha256 must be 64"},
      {FaultWith("token_sha256", "[]"), "[0].token_sha256 must"},
      {FaultWith("token_sha256", R"({"a": 1})"), "[0].token_sha256 must"},
      {FaultWith("certificate", R"("")"), "[0].certificate must"},
      {FaultWith("certificate", R"(["a", 7])"), "[0].certificate must"},
      {FaultWith("quota", "7"), "[0].quota must be an object"},
      {FaultWith("quota", R"({"calls_per_minute": 0})"),
       "[0].quota.calls_per_minute must be a whole number"},
      {FaultWith("quota", R"({"cost_per_minute": -1})"),
       "[0].quota.cost_per_minute must"},
      {FaultWith("quota", R"({"evaluations": 1.5})"),
       "[0].quota.evaluations must"},
      {FaultWith("quota", R"({"evaluations": "2"})"),
       "[0].quota.evaluations must"},
      {FaultWith("quota", R"({"evaluations": 2199023255552})"),
       "[0].quota.evaluations must"},
      {FaultWith("quota", R"({"bytes": 1})"),
       "[0].quota.\"bytes\" is not known"},
      {FaultWith("token", R"("adv_secret")"), "[0].\"token\" is not known"},
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
