// Encoding: attacks of the engine, with every parameter spelt out.
#include <cstdint>
#include <variant>

#include "server/codec/codec_attack_config.h"

namespace adv {
namespace {

// What EncodeAttack fills in.
struct Encoder {
  v1::Attack* attack;
  std::optional<double> epsilon;

  static uint32_t Count(int64_t value) { return static_cast<uint32_t>(value); }
  template <typename Config, typename Message>
  void Igsm(const Config& config, Message* message) const {
    *message->mutable_step_size() = EncodeSize(config.step_size);
    if (epsilon) {
      message->set_steps(Count(IgsmSteps(config.steps, *epsilon)));
    } else if (config.steps) {
      message->set_steps(Count(*config.steps));
    }
  }
  // A step size that is `share` of epsilon unless it was given.
  template <typename Config, typename Message>
  void Size(const Config& config, double share, Message* message) const {
    if (config.step_size) {
      *message->mutable_step_size() = EncodeSize(*config.step_size);
    } else if (epsilon && *epsilon > 0) {
      *message->mutable_step_size() = EncodeSize(*epsilon * share);
    }
  }

  void operator()(const FgsmConfig& config) const {
    attack->mutable_fgsm()->set_thesis_mode(config.thesis_mode);
  }
  void operator()(const IgsmConfig& config) const {
    Igsm(config, attack->mutable_igsm());
  }
  void operator()(const IterativeLeastLikelyConfig& config) const {
    Igsm(config, attack->mutable_iterative_least_likely());
  }
  void operator()(const PgdConfig& config) const {
    v1::Pgd* message = attack->mutable_pgd();
    Size(config, 0.25, message);
    message->set_steps(Count(config.steps));
    message->set_restarts(Count(config.restarts));
    message->set_random_start(config.random_start);
  }
  void operator()(const MiFgsmConfig& config) const {
    v1::MiFgsm* message = attack->mutable_mi_fgsm();
    Size(config, 1.0 / static_cast<double>(config.steps), message);
    message->set_steps(Count(config.steps));
    message->set_momentum(config.momentum);
  }
  void operator()(const ApgdConfig& config) const {
    v1::Apgd* message = attack->mutable_apgd();
    message->set_steps(Count(config.steps));
    message->set_restarts(Count(config.restarts));
    switch (config.loss) {
      case ApgdConfig::Loss::kCrossEntropy:
        message->set_loss(v1::APGD_LOSS_CE);
        break;
      case ApgdConfig::Loss::kDlr:
        message->set_loss(v1::APGD_LOSS_DLR);
        break;
      case ApgdConfig::Loss::kTargetedDlr:
        message->set_loss(v1::APGD_LOSS_TARGETED_DLR);
        message->set_target_classes(Count(config.target_classes));
        break;
    }
  }
  void operator()(const DeepFoolConfig& config) const {
    attack->mutable_deep_fool()->set_steps(Count(config.steps));
    attack->mutable_deep_fool()->set_overshoot(config.overshoot);
  }
  void operator()(const CarliniWagnerConfig& config) const {
    v1::CarliniWagner* message = attack->mutable_carlini_wagner();
    message->set_learning_rate(config.learning_rate);
    message->set_binary_search_steps(Count(config.binary_search_steps));
    message->set_initial_constant(config.initial_constant);
    message->set_steps(Count(config.steps));
    message->set_confidence(config.confidence);
  }
  void operator()(const FabConfig& config) const {
    v1::Fab* message = attack->mutable_fab();
    message->set_steps(Count(config.steps));
    message->set_restarts(Count(config.restarts));
    message->set_alpha_max(config.alpha_max);
    message->set_eta(config.eta);
    message->set_beta(config.beta);
    message->set_target_classes(Count(config.target_classes));
  }
  void operator()(const SquareConfig& config) const {
    v1::Square* message = attack->mutable_square();
    message->set_queries(Count(config.queries));
    message->set_initial_share(config.initial_share);
    message->set_restarts(Count(config.restarts));
  }
  void operator()(const HopSkipJumpConfig& config) const {
    attack->mutable_hop_skip_jump()->set_queries(Count(config.queries));
  }
  void operator()(const BoundaryConfig& config) const {
    attack->mutable_boundary()->set_queries(Count(config.queries));
  }
  void operator()(const NoiseConfig& config) const {
    attack->mutable_noise()->set_distribution(
        config.distribution == NoiseConfig::Distribution::kUniform
            ? v1::NOISE_KIND_UNIFORM
            : v1::NOISE_KIND_GAUSSIAN);
    attack->mutable_noise()->set_repeats(Count(config.repeats));
  }
  void operator()(const AutoAttackConfig& config) const {
    for (const AnyAttack& member : MembersOf(config)) {
      *attack->mutable_auto_attack()->add_members() =
          EncodeAttack(member.config, epsilon);
    }
  }
};

}  // namespace

v1::Attack EncodeAttack(const AttackConfig& config,
                        std::optional<double> epsilon) {
  v1::Attack attack;
  std::visit(Encoder{&attack, epsilon}, config);
  return attack;
}

v1::Epsilon EncodeSize(double pixels) {
  v1::Epsilon size;
  size.set_pixels(pixels);
  return size;
}

}  // namespace adv
