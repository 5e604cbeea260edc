#include "server/security/rules.h"

#include <array>

namespace adv {
namespace {

constexpr std::array<const char*, 4> kRoleNames = {"anyone", "viewer",
                                                   "evaluator", "admin"};

}  // namespace

const char* RoleName(Role role) {
  return kRoleNames[static_cast<size_t>(role)];
}

std::optional<Role> ParseRole(absl::string_view name) {
  for (const Role role : {Role::kViewer, Role::kEvaluator, Role::kAdmin}) {
    if (name == RoleName(role)) return role;
  }
  return std::nullopt;
}

const std::vector<Rule>& Rules() {
  static const auto& rules = *new std::vector<Rule>{
      {"adv.v1.AttackEvaluationService/Classify", Role::kEvaluator},
      {"adv.v1.AttackEvaluationService/GenerateAdversarial", Role::kEvaluator,
       /*audited=*/true},
      {"adv.v1.AttackEvaluationService/EvaluateRobustness", Role::kEvaluator,
       /*audited=*/true},
      {"adv.v1.AttackEvaluationService/GetEvaluation", Role::kViewer},
      {"adv.v1.AttackEvaluationService/ListEvaluations", Role::kViewer},
      {"adv.v1.AttackEvaluationService/ListEvaluationRecords", Role::kViewer},
      {"adv.v1.AttackEvaluationService/CancelEvaluation", Role::kEvaluator},
      {"adv.v1.AttackEvaluationService/DeleteEvaluation", Role::kAdmin},
      {"adv.v1.ModelService/ListModels", Role::kViewer},
      {"adv.v1.ModelService/GetModel", Role::kViewer},
      {"adv.v1.ModelService/ReloadModels", Role::kAdmin},
      {"adv.v1.ModelService/SetModelAlias", Role::kAdmin},
      {"adv.v1.ModelService/DeleteModelAlias", Role::kAdmin},
      {"adv.v1.ServerService/GetServerInfo", Role::kViewer},
      // Balancers and supervisors ask without an identity.
      {"grpc.health.v1.Health/Check", Role::kAnyone},
      {"grpc.health.v1.Health/Watch", Role::kAnyone},
      {"grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
       Role::kViewer},
      {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
       Role::kViewer},
      {"inference.GRPCInferenceService/ServerLive", Role::kAnyone},
      {"inference.GRPCInferenceService/ServerReady", Role::kAnyone},
      {"inference.GRPCInferenceService/ModelReady", Role::kViewer},
      {"inference.GRPCInferenceService/ServerMetadata", Role::kViewer},
      {"inference.GRPCInferenceService/ModelMetadata", Role::kViewer},
      {"inference.GRPCInferenceService/ModelInfer", Role::kEvaluator},
  };
  return rules;
}

const Rule* FindRule(absl::string_view method) {
  for (const Rule& rule : Rules()) {
    if (method == rule.method) return &rule;
  }
  return nullptr;
}

}  // namespace adv
