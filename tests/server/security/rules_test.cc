#include "server/security/rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "adv/v1/model_service.pb.h"
#include "adv/v1/server_service.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "inference/open_inference.pb.h"
#include "tests/folders.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

// The methods of all services in the files that the server links.
std::set<std::string> AllMethods() {
  std::set<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::ClassifyRequest::descriptor()->file(),
        v1::ListModelsRequest::descriptor()->file(),
        v1::GetServerInfoRequest::descriptor()->file(),
        grpc::health::v1::HealthCheckRequest::descriptor()->file(),
        grpc::reflection::v1::ErrorResponse::descriptor()->file(),
        grpc::reflection::v1alpha::ErrorResponse::descriptor()->file(),
        inference::ServerLiveRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const auto& service = *file->service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        methods.insert(service.full_name() + "/" + service.method(j)->name());
      }
    }
  }
  return methods;
}

TEST(RulesTest, EveryMethodHasARuleAndEveryRuleAMethod) {
  std::set<std::string> ruled;
  for (const Rule& rule : Rules()) {
    EXPECT_TRUE(ruled.insert(rule.method).second) << rule.method;
    EXPECT_EQ(FindRule(rule.method), &rule);
  }
  EXPECT_EQ(ruled, AllMethods());
}

TEST(RulesTest, AMethodWithoutARuleIsNotFound) {
  EXPECT_EQ(FindRule(""), nullptr);
  EXPECT_EQ(FindRule("adv.v1.ModelService/Other"), nullptr);
  EXPECT_EQ(FindRule("/adv.v1.ModelService/ListModels"), nullptr);
}

TEST(RulesTest, OnlyHealthAsksForNobody) {
  for (const Rule& rule : Rules()) {
    const std::string method = rule.method;
    const bool health = method.find("grpc.health.") == 0 ||
                        method.find("/ServerLive") != std::string::npos ||
                        method.find("/ServerReady") != std::string::npos;
    EXPECT_EQ(rule.least == Role::kAnyone, health) << method;
  }
}

TEST(RulesTest, AttacksAreAudited) {
  std::set<std::string> audited;
  for (const Rule& rule : Rules()) {
    if (rule.audited) audited.insert(rule.method);
  }
  EXPECT_EQ(audited,
            (std::set<std::string>{
                "adv.v1.AttackEvaluationService/EvaluateRobustness",
                "adv.v1.AttackEvaluationService/GenerateAdversarial"}));
}

TEST(RulesTest, RolesHaveNames) {
  for (const Role role : {Role::kViewer, Role::kEvaluator, Role::kAdmin}) {
    EXPECT_EQ(ParseRole(RoleName(role)), role);
  }
  for (const char* none : {"anyone", "", "Admin", "root"}) {
    EXPECT_FALSE(ParseRole(none).has_value()) << none;
  }
}

TEST(RulesTest, TheReadmeShowsTheSameTable) {
  std::ifstream file(SourceDir() + "/server/README.md");
  const std::string readme{std::istreambuf_iterator<char>(file), {}};
  for (const Rule& rule : Rules()) {
    const std::string method = rule.method;
    const size_t slash = method.find('/');
    // "| `service` | role | ... `Method` ... |"
    const std::string start =
        "| `" + method.substr(0, slash) + "` | " + RoleName(rule.least) + " | ";
    const size_t row = readme.find(start);
    ASSERT_NE(row, std::string::npos) << start;
    EXPECT_THAT(readme.substr(row, readme.find('\n', row) - row),
                HasSubstr("`" + method.substr(slash + 1) + "`"));
  }
}

}  // namespace
}  // namespace adv
