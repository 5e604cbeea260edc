// Decoding: attacks of the wire, with what is wrong with them.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <variant>

#include "server/codec/codec_attack_config.h"

namespace adv {
namespace {

constexpr double kLevels = 255;
constexpr int kMaxMembers = 16;

int64_t MostSteps(const Limits& limits) {
  return std::min<int64_t>(limits.steps, kMaxSteps);
}

// Reads the parameters of one attack. What is not given stays at its default.
class Parameters {
 public:
  Parameters(std::string field, const Limits& limits,
             FieldViolations* violations)
      : field_(std::move(field)), limits_(limits), violations_(violations) {}

  template <typename To>
  void Integer(const char* name, bool given, uint32_t value, int64_t low,
               int64_t high, To* to) const {
    if (!given) return;
    if (value < low || value > high) {
      violations_->Add(Path(name), absl::StrCat("is ", value, "; must be ", low,
                                                " to ", high));
    }
    *to = static_cast<int64_t>(value);
  }
  // Steps that follow from epsilon: CheckSteps looks at those.
  template <typename Message>
  void Steps(const Message& message, std::optional<int64_t>* to) const {
    Integer("steps", message.has_steps(), message.steps(), 1,
            MostSteps(limits_), to);
  }
  template <typename Message>
  void Steps(const Message& message, int64_t* to) const {
    Integer("steps", message.has_steps(), message.steps(), 1,
            MostSteps(limits_), to);
    if (!message.has_steps()) Default("steps", *to, MostSteps(limits_));
  }
  template <typename Message>
  void Restarts(const Message& message, int64_t* to) const {
    Integer("restarts", message.has_restarts(), message.restarts(), 1,
            kMaxRestarts, to);
  }
  template <typename Message>
  void Queries(const Message& message, int64_t* to) const {
    Integer("queries", message.has_queries(), message.queries(), 1,
            limits_.queries, to);
    if (!message.has_queries()) Default("queries", *to, limits_.queries);
  }
  template <typename Message>
  void TargetClasses(const Message& message, int64_t low, int64_t* to) const {
    Integer("target_classes", message.has_target_classes(),
            message.target_classes(), low, kMaxTargetClasses, to);
  }

  // NaN is outside every range.
  void Number(const char* name, bool given, double value, double low,
              double high, bool low_too, double* to) const {
    if (!given) return;
    if (!((low_too ? value >= low : value > low) && value <= high)) {
      violations_->Add(Path(name),
                       absl::StrCat("is ", value, "; must be ",
                                    low_too ? absl::StrCat(low)
                                            : absl::StrCat("above ", low),
                                    low_too ? "" : ",", " to ", high));
    }
    *to = value;
  }
  template <typename Message, typename To>
  void StepSize(const Message& message, double max, To* to) const {
    if (!message.has_step_size()) return;
    *to = DecodeSize(message.step_size(), Path("step_size"), {max, false},
                     violations_);
  }

  // A server may allow less than a default.
  void Default(const char* name, int64_t value, int64_t most) const {
    if (value <= most) return;
    violations_->Add(Path(name), absl::StrCat("is not given, and would be ",
                                              value, "; must be 1 to ", most));
  }

  std::string Path(absl::string_view name) const {
    return absl::StrCat(field_, ".", name);
  }

 private:
  const std::string field_;
  const Limits& limits_;
  FieldViolations* const violations_;
};

AttackConfig Decode(const v1::Fgsm& message, const Parameters& /*read*/) {
  return FgsmConfig{message.thesis_mode()};
}

template <typename Config, typename Message>
AttackConfig DecodeIgsm(const Message& message, const Parameters& read) {
  Config config;
  read.StepSize(message, 1, &config.step_size);
  read.Steps(message, &config.steps);
  return config;
}

AttackConfig Decode(const v1::Pgd& message, const Parameters& read) {
  PgdConfig config;
  read.StepSize(message, kMaxStepSize, &config.step_size);
  read.Steps(message, &config.steps);
  read.Restarts(message, &config.restarts);
  if (message.has_random_start()) config.random_start = message.random_start();
  return config;
}

AttackConfig Decode(const v1::MiFgsm& message, const Parameters& read) {
  MiFgsmConfig config;
  read.StepSize(message, kMaxStepSize, &config.step_size);
  read.Steps(message, &config.steps);
  read.Number("momentum", message.has_momentum(), message.momentum(), 0, 10,
              true, &config.momentum);
  return config;
}

ApgdConfig::Loss DecodeLoss(v1::ApgdLoss loss) {
  switch (loss) {
    case v1::APGD_LOSS_DLR:
      return ApgdConfig::Loss::kDlr;
    case v1::APGD_LOSS_TARGETED_DLR:
      return ApgdConfig::Loss::kTargetedDlr;
    default:
      return ApgdConfig::Loss::kCrossEntropy;
  }
}

AttackConfig Decode(const v1::Apgd& message, const Parameters& read,
                    FieldViolations* violations) {
  if (!v1::ApgdLoss_IsValid(message.loss())) {
    violations->Add(read.Path("loss"),
                    absl::StrCat("is ", static_cast<int>(message.loss()),
                                 "; must be a value of adv.v1.ApgdLoss"));
  }
  ApgdConfig config;
  config.loss = DecodeLoss(message.loss());
  read.Steps(message, &config.steps);
  read.Restarts(message, &config.restarts);
  read.TargetClasses(message, 1, &config.target_classes);
  return config;
}

AttackConfig Decode(const v1::DeepFool& message, const Parameters& read) {
  DeepFoolConfig config;
  read.Steps(message, &config.steps);
  read.Number("overshoot", message.has_overshoot(), message.overshoot(), 0, 1,
              true, &config.overshoot);
  return config;
}

AttackConfig Decode(const v1::CarliniWagner& message, const Parameters& read) {
  CarliniWagnerConfig config;
  read.Number("learning_rate", message.has_learning_rate(),
              message.learning_rate(), 0, kMaxLearningRate, false,
              &config.learning_rate);
  read.Integer("binary_search_steps", message.has_binary_search_steps(),
               message.binary_search_steps(), 1, 20,
               &config.binary_search_steps);
  read.Number("initial_constant", message.has_initial_constant(),
              message.initial_constant(), 0, kMaxInitialConstant, false,
              &config.initial_constant);
  read.Steps(message, &config.steps);
  read.Number("confidence", message.has_confidence(), message.confidence(), 0,
              kMaxConfidence, true, &config.confidence);
  return config;
}

AttackConfig Decode(const v1::Fab& message, const Parameters& read) {
  FabConfig config;
  read.Steps(message, &config.steps);
  read.Restarts(message, &config.restarts);
  read.Number("alpha_max", message.has_alpha_max(), message.alpha_max(), 0, 1,
              false, &config.alpha_max);
  read.Number("eta", message.has_eta(), message.eta(), 1, kMaxEta, true,
              &config.eta);
  read.Number("beta", message.has_beta(), message.beta(), 0, 1, false,
              &config.beta);
  read.TargetClasses(message, 0, &config.target_classes);
  return config;
}

AttackConfig Decode(const v1::Square& message, const Parameters& read) {
  SquareConfig config;
  read.Queries(message, &config.queries);
  read.Number("initial_share", message.has_initial_share(),
              message.initial_share(), 0, 1, false, &config.initial_share);
  read.Restarts(message, &config.restarts);
  return config;
}

AttackConfig Decode(const v1::HopSkipJump& message, const Parameters& read) {
  HopSkipJumpConfig config;
  read.Queries(message, &config.queries);
  return config;
}

AttackConfig Decode(const v1::Boundary& message, const Parameters& read) {
  BoundaryConfig config;
  read.Queries(message, &config.queries);
  return config;
}

AttackConfig Decode(const v1::Noise& message, const Parameters& read,
                    FieldViolations* violations) {
  if (!v1::NoiseKind_IsValid(message.distribution())) {
    violations->Add(
        read.Path("distribution"),
        absl::StrCat("is ", static_cast<int>(message.distribution()),
                     "; must be a value of adv.v1.NoiseKind"));
  }
  NoiseConfig config;
  if (message.distribution() == v1::NOISE_KIND_GAUSSIAN) {
    config.distribution = NoiseConfig::Distribution::kGaussian;
  }
  read.Integer("repeats", message.has_repeats(), message.repeats(), 1, 1000,
               &config.repeats);
  return config;
}

AttackConfig Decode(const v1::AutoAttack& message, absl::string_view field,
                    const Limits& limits, FieldViolations* violations) {
  AutoAttackConfig config;
  if (message.members_size() == 0) {
    const v1::Attack standard = EncodeAttack(config, std::nullopt);
    Decode(standard.auto_attack(), field, limits, violations);
    return config;
  }
  const int most = kMaxMembers;
  if (message.members_size() > most) {
    violations->Add(absl::StrCat(field, ".members"),
                    absl::StrCat("has ", message.members_size(),
                                 " entries; must have at most ", most));
    return config;
  }
  for (int i = 0; i < message.members_size(); ++i) {
    const std::string path = absl::StrCat(field, ".members[", i, "]");
    if (message.members(i).has_auto_attack()) {
      violations->Add(path, "is an auto_attack; must be another attack");
      continue;
    }
    config.members.push_back(
        {DecodeAttack(message.members(i), path, limits, violations)});
  }
  return config;
}

// The steps of an attack that follow from epsilon.
std::optional<int64_t> StepsByRule(const AttackConfig& config, double epsilon) {
  if (const auto* igsm = std::get_if<IgsmConfig>(&config)) {
    if (!igsm->steps) return IgsmSteps(std::nullopt, epsilon);
  } else if (const auto* ill =
                 std::get_if<IterativeLeastLikelyConfig>(&config)) {
    if (!ill->steps) return IgsmSteps(std::nullopt, epsilon);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> ImplementedAttacks() {
  const google::protobuf::OneofDescriptor* kinds =
      v1::Attack::descriptor()->FindOneofByName("kind");
  std::vector<std::string> names;
  names.reserve(kinds->field_count());
  for (int i = 0; i < kinds->field_count(); ++i) {
    names.push_back(kinds->field(i)->name());
  }
  return names;
}

AttackConfig DecodeAttack(const v1::Attack& attack, absl::string_view field,
                          const Limits& limits, FieldViolations* violations) {
  if (attack.kind_case() == v1::Attack::KIND_NOT_SET) {
    violations->Add(field,
                    absl::StrCat("is not given; must be one of ",
                                 absl::StrJoin(ImplementedAttacks(), ", ")));
    return FgsmConfig();
  }
  const std::string path = absl::StrCat(
      field, ".",
      v1::Attack::descriptor()->FindFieldByNumber(attack.kind_case())->name());
  const Parameters read(path, limits, violations);
  switch (attack.kind_case()) {
    case v1::Attack::kFgsm:
      return Decode(attack.fgsm(), read);
    case v1::Attack::kIgsm:
      return DecodeIgsm<IgsmConfig>(attack.igsm(), read);
    case v1::Attack::kIterativeLeastLikely:
      return DecodeIgsm<IterativeLeastLikelyConfig>(
          attack.iterative_least_likely(), read);
    case v1::Attack::kPgd:
      return Decode(attack.pgd(), read);
    case v1::Attack::kMiFgsm:
      return Decode(attack.mi_fgsm(), read);
    case v1::Attack::kApgd:
      return Decode(attack.apgd(), read, violations);
    case v1::Attack::kDeepFool:
      return Decode(attack.deep_fool(), read);
    case v1::Attack::kCarliniWagner:
      return Decode(attack.carlini_wagner(), read);
    case v1::Attack::kFab:
      return Decode(attack.fab(), read);
    case v1::Attack::kSquare:
      return Decode(attack.square(), read);
    case v1::Attack::kAutoAttack:
      return Decode(attack.auto_attack(), path, limits, violations);
    case v1::Attack::kHopSkipJump:
      return Decode(attack.hop_skip_jump(), read);
    case v1::Attack::kBoundary:
      return Decode(attack.boundary(), read);
    case v1::Attack::kNoise:
      return Decode(attack.noise(), read, violations);
    case v1::Attack::KIND_NOT_SET:
      break;
  }
  return FgsmConfig();
}

void CheckSteps(const AttackConfig& config, absl::string_view field,
                const std::vector<double>& epsilons, const Limits& limits,
                FieldViolations* violations) {
  for (const double epsilon : epsilons) {
    if (!(epsilon >= 0 && epsilon <= 1)) continue;
    const std::optional<int64_t> steps = StepsByRule(config, epsilon);
    if (!steps || *steps <= MostSteps(limits)) continue;
    violations->Add(
        absl::StrCat(field, ".", AttackName(config), ".steps"),
        absl::StrCat("is not given, and would be ", *steps, " at epsilon ",
                     epsilon, "; must be 1 to ", MostSteps(limits)));
    return;
  }
  if (const auto* all = std::get_if<AutoAttackConfig>(&config)) {
    for (size_t i = 0; i < all->members.size(); ++i) {
      CheckSteps(all->members[i].config,
                 absl::StrCat(field, ".auto_attack.members[", i, "]"), epsilons,
                 limits, violations);
    }
  }
}

// NaN fails every comparison.
double DecodeSize(const v1::Epsilon& size, absl::string_view field,
                  SizeRange range, FieldViolations* violations) {
  const absl::string_view from =
      range.may_be_zero ? "0 to " : "above 0, up to ";
  const bool levels = size.unit_case() == v1::Epsilon::kLevels;
  const double value = levels ? size.levels() : size.pixels();
  const double max = levels ? range.max * kLevels : range.max;
  if (size.unit_case() == v1::Epsilon::UNIT_NOT_SET) {
    violations->Add(
        field, absl::StrCat("is not given; must be pixels, ", from, range.max,
                            ", or levels, ", from, range.max * kLevels));
  } else if (!(value <= max && (range.may_be_zero ? value >= 0 : value > 0))) {
    violations->Add(field, absl::StrCat("is ", value,
                                        levels ? " levels" : " in pixel units",
                                        "; must be ", from, max));
  }
  return levels ? value / kLevels : value;
}

}  // namespace adv
