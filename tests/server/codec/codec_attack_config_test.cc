#include "server/codec/codec_attack_config.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/server/violations.h"

namespace adv {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

v1::Attack Parse(const std::string& text) {
  v1::Attack attack;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &attack))
      << text;
  return attack;
}

std::vector<std::pair<std::string, std::string>> ViolationsIn(
    const std::string& text) {
  FieldViolations violations;
  DecodeAttack(Parse(text), "attack", Limits(), &violations);
  return ViolationsOf(violations.status());
}

// Every parameter of every family, other than its default.
TEST(AttackCodecTest, EveryParameterSurvivesTheWayThereAndBack) {
  for (const char* const text :
       {"fgsm { thesis_mode: true }",
        "igsm { step_size { pixels: .5 } steps: 3 }",
        "iterative_least_likely { step_size { pixels: .25 } steps: 4 }",
        "pgd { step_size { pixels: .125 } steps: 5 restarts: 6 "
        "random_start: false }",
        "mi_fgsm { step_size { pixels: .5 } steps: 7 momentum: .5 }",
        "apgd { loss: APGD_LOSS_DLR steps: 8 restarts: 2 }",
        "apgd { loss: APGD_LOSS_TARGETED_DLR steps: 8 restarts: 2 "
        "target_classes: 3 }",
        "deep_fool { steps: 9 overshoot: .5 }",
        "carlini_wagner { learning_rate: .5 binary_search_steps: 3 "
        "initial_constant: .25 steps: 11 confidence: 2 }",
        "fab { steps: 12 restarts: 3 alpha_max: .5 eta: 1.5 beta: .5 "
        "target_classes: 4 }",
        "square { queries: 13 initial_share: .5 restarts: 2 }",
        "hop_skip_jump { queries: 14 }", "boundary { queries: 15 }",
        "noise { distribution: NOISE_KIND_GAUSSIAN repeats: 16 }",
        "auto_attack { members { fgsm { thesis_mode: false } } "
        "members { hop_skip_jump { queries: 17 } } }"}) {
    FieldViolations violations;
    const AttackConfig config =
        DecodeAttack(Parse(text), "attack", Limits(), &violations);
    EXPECT_TRUE(violations.empty()) << text;
    EXPECT_TRUE(
        MessageDifferencer::Equals(EncodeAttack(config, .1), Parse(text)))
        << text << "\n"
        << EncodeAttack(config, .1).DebugString();
  }
}

TEST(AttackCodecTest, EveryFamilyHasItsDefaults) {
  for (const std::string& name : ImplementedAttacks()) {
    FieldViolations violations;
    const AttackConfig config =
        DecodeAttack(Parse(name + " {}"), "attack", Limits(), &violations);
    EXPECT_TRUE(violations.empty()) << name;
    EXPECT_EQ(AttackName(config), name);
    EXPECT_TRUE(Validate(config).ok()) << name;
  }
  EXPECT_TRUE(MessageDifferencer::Equals(
      EncodeAttack(PgdConfig(), .1),
      Parse("pgd { step_size { pixels: .025 } steps: 40 restarts: 1 "
            "random_start: true }")));
  EXPECT_FALSE(EncodeAttack(PgdConfig(), std::nullopt).pgd().has_step_size());
  EXPECT_EQ(EncodeAttack(AutoAttackConfig(), .1).auto_attack().members_size(),
            4);
}

// Whether a field can hold a parameter, and says whether it was given.
class FieldCheck {
 public:
  explicit FieldCheck(const google::protobuf::Descriptor& message)
      : message_(message) {}

  void operator()(const parameter::Count& described, const parameter::Count&) {
    Expect(described.about(), FieldDescriptor::TYPE_UINT32, true);
  }
  void operator()(const parameter::OptionalCount& described,
                  const parameter::OptionalCount&) {
    Expect(described.about(), FieldDescriptor::TYPE_UINT32, true);
  }
  void operator()(const parameter::Number& described,
                  const parameter::Number&) {
    Expect(described.about(), FieldDescriptor::TYPE_DOUBLE, true);
  }
  void operator()(const parameter::Size& described, const parameter::Size&) {
    ExpectSize(described.about());
  }
  void operator()(const parameter::OptionalSize& described,
                  const parameter::OptionalSize&) {
    ExpectSize(described.about());
  }
  void operator()(const parameter::Flag& described, const parameter::Flag&) {
    // Where true is the default, false must be told from nothing.
    Expect(described.about(), FieldDescriptor::TYPE_BOOL, described.value());
  }
  template <typename Enum>
  void operator()(const parameter::Choice<Enum>& described,
                  const parameter::Choice<Enum>&) {
    const FieldDescriptor* field =
        Expect(described.about(), FieldDescriptor::TYPE_ENUM, false);
    if (field == nullptr) return;
    // All but UNSPECIFIED, in their order.
    ASSERT_EQ(static_cast<int>(described.names().size()),
              field->enum_type()->value_count() - 1);
    for (size_t i = 0; i < described.names().size(); ++i) {
      EXPECT_EQ(EnumeratorOf(*field, described.names()[i]),
                static_cast<int>(i) + 1)
          << described.names()[i];
    }
  }

  const std::vector<std::string>& names() const { return names_; }

 private:
  const FieldDescriptor* Expect(const parameter::About& about,
                                FieldDescriptor::Type type, bool optional) {
    names_.emplace_back(about.name);
    const FieldDescriptor* field = message_.FindFieldByName(about.name);
    EXPECT_NE(field, nullptr) << about.name;
    if (field == nullptr) return nullptr;
    EXPECT_EQ(field->type(), type) << about.name;
    EXPECT_TRUE(!optional || field->has_presence()) << about.name;
    return field;
  }
  void ExpectSize(const parameter::About& about) {
    const FieldDescriptor* field =
        Expect(about, FieldDescriptor::TYPE_MESSAGE, true);
    if (field == nullptr) return;
    EXPECT_EQ(field->message_type(), v1::Epsilon::descriptor()) << about.name;
  }

  const google::protobuf::Descriptor& message_;
  std::vector<std::string> names_;
};

template <typename Config>
std::vector<std::string> CheckFields(
    const google::protobuf::Descriptor& message, const Config& config) {
  FieldCheck check(message);
  parameter::ForEach(config, check);
  return check.names();
}
std::vector<std::string> CheckFields(
    const google::protobuf::Descriptor& /*message*/,
    const AutoAttackConfig& /*config*/) {
  return {"members"};
}

// A parameter without a field, a field without a parameter, and those that do
// not fit, are found here.
TEST(AttackCodecTest, ParametersAndFieldsAreTheSame) {
  const std::vector<AttackConfig> attacks = AllAttacks();
  const std::vector<std::string> kinds = ImplementedAttacks();
  ASSERT_EQ(attacks.size(), kinds.size());
  for (size_t i = 0; i < kinds.size(); ++i) {
    ASSERT_EQ(AttackName(attacks[i]), kinds[i]);
    const google::protobuf::Descriptor& message =
        *v1::Attack::descriptor()->FindFieldByName(kinds[i])->message_type();
    std::vector<std::string> fields;
    for (int f = 0; f < message.field_count(); ++f) {
      fields.push_back(message.field(f)->name());
    }
    EXPECT_EQ(
        std::visit([&](const auto& one) { return CheckFields(message, one); },
                   attacks[i]),
        fields)
        << kinds[i];
  }
}

TEST(AttackCodecTest, WhatHasNoSayInAnAttackIsLeftOut) {
  FieldViolations violations;
  const AttackConfig config =
      DecodeAttack(Parse("apgd { loss: APGD_LOSS_DLR target_classes: 3 }"),
                   "attack", Limits(), &violations);
  EXPECT_TRUE(MessageDifferencer::Equals(
      EncodeAttack(config, .1),
      Parse("apgd { loss: APGD_LOSS_DLR steps: 100 restarts: 1 }")));
}

TEST(AttackCodecTest, TooManyMembersAreRefused) {
  std::string members;
  for (size_t i = 0; i <= kMaxMembers; ++i) members += "members { fgsm {} } ";
  EXPECT_THAT(ViolationsIn("auto_attack { " + members + "}"),
              ElementsAre(Pair("attack.auto_attack.members",
                               "has 17 entries; must have at most 16")));
}

TEST(AttackCodecTest, EachParameterHasItsMessage) {
  EXPECT_THAT(
      ViolationsIn("pgd { step_size { pixels: 0 } steps: 1001 restarts: 0 }"),
      ElementsAre(Pair("attack.pgd.step_size", HasSubstr("above 0")),
                  Pair("attack.pgd.steps", "is 1001; must be 1 to 1000"),
                  Pair("attack.pgd.restarts", "is 0; must be 1 to 100")));
  EXPECT_THAT(
      ViolationsIn("mi_fgsm { momentum: 11 }"),
      ElementsAre(Pair("attack.mi_fgsm.momentum", "is 11; must be 0 to 10")));
  EXPECT_THAT(ViolationsIn("apgd { target_classes: 0 }"),
              ElementsAre(Pair("attack.apgd.target_classes",
                               "is 0; must be 1 to 1000")));
  EXPECT_THAT(ViolationsIn("deep_fool { overshoot: nan }"),
              ElementsAre(Pair("attack.deep_fool.overshoot",
                               "is nan; must be 0 to 1")));
  EXPECT_THAT(ViolationsIn("carlini_wagner { learning_rate: 0 confidence: -1 "
                           "binary_search_steps: 21 initial_constant: inf }"),
              ElementsAre(Pair("attack.carlini_wagner.learning_rate",
                               "is 0; must be above 0, at most 1000"),
                          Pair("attack.carlini_wagner.binary_search_steps",
                               "is 21; must be 1 to 20"),
                          Pair("attack.carlini_wagner.initial_constant",
                               "is inf; must be above 0, at most 1e+10"),
                          Pair("attack.carlini_wagner.confidence",
                               "is -1; must be 0 to 1e+06")));
  EXPECT_THAT(
      ViolationsIn("fab { alpha_max: 1.5 eta: .5 beta: 0 }"),
      ElementsAre(
          Pair("attack.fab.alpha_max", "is 1.5; must be above 0, at most 1"),
          Pair("attack.fab.eta", "is 0.5; must be 1 to 10"),
          Pair("attack.fab.beta", "is 0; must be above 0, at most 1")));
  EXPECT_THAT(
      ViolationsIn("square { queries: 0 initial_share: 2 }"),
      ElementsAre(Pair("attack.square.queries", "is 0; must be 1 to 100000"),
                  Pair("attack.square.initial_share",
                       "is 2; must be above 0, at most 1")));
  EXPECT_THAT(
      ViolationsIn("noise { repeats: 1001 }"),
      ElementsAre(Pair("attack.noise.repeats", "is 1001; must be 1 to 1000")));
}

TEST(AttackCodecTest, MembersAreCheckedLikeAttacks) {
  EXPECT_THAT(
      ViolationsIn("auto_attack { members { auto_attack {} } members {} "
                   "members { boundary { queries: 0 } } }"),
      ElementsAre(
          Pair("attack.auto_attack.members[0]", HasSubstr("another attack")),
          Pair("attack.auto_attack.members[1]", HasSubstr("is not given")),
          Pair("attack.auto_attack.members[2].boundary.queries",
               HasSubstr("is 0"))));
}

TEST(AttackCodecTest, EnumsOfAnotherVersionAreNamed) {
  v1::Attack attack;
  attack.mutable_apgd()->set_loss(static_cast<v1::ApgdLoss>(9));
  FieldViolations violations;
  DecodeAttack(attack, "attack", Limits(), &violations);
  attack.mutable_noise()->set_distribution(static_cast<v1::NoiseKind>(8));
  DecodeAttack(attack, "attack", Limits(), &violations);
  EXPECT_THAT(
      ViolationsOf(violations.status()),
      ElementsAre(Pair("attack.apgd.loss", HasSubstr("is 9")),
                  Pair("attack.noise.distribution", HasSubstr("is 8"))));
}

TEST(AttackCodecTest, LimitsHoldForStepsAndQueries) {
  Limits limits;
  limits.steps = 50;
  limits.queries = 20;
  FieldViolations violations;
  DecodeAttack(Parse("pgd { steps: 51 }"), "attack", limits, &violations);
  DecodeAttack(Parse("square { queries: 21 }"), "attack", limits, &violations);
  EXPECT_THAT(ViolationsOf(violations.status()),
              ElementsAre(Pair("attack.pgd.steps", HasSubstr("1 to 50")),
                          Pair("attack.square.queries", HasSubstr("1 to 20"))));
}

TEST(AttackCodecTest, DefaultsThatExceedTheLimitsAreNamed) {
  Limits small;
  small.steps = 99;
  small.queries = 4999;
  FieldViolations too_many;
  DecodeAttack(Parse("apgd {}"), "a", small, &too_many);
  DecodeAttack(Parse("square {}"), "b", small, &too_many);
  DecodeAttack(Parse("auto_attack {}"), "c", small, &too_many);
  EXPECT_THAT(
      ViolationsOf(too_many.status()),
      ElementsAre(
          Pair("a.apgd.steps",
               "is not given, and would be 100; must be 1 to 99"),
          Pair("b.square.queries",
               "is not given, and would be 5000; must be 1 to 4999"),
          Pair("c.auto_attack.members[0].apgd.steps", HasSubstr("is 100")),
          Pair("c.auto_attack.members[1].apgd.steps", HasSubstr("is 100")),
          Pair("c.auto_attack.members[2].fab.steps", HasSubstr("is 100")),
          Pair("c.auto_attack.members[3].square.queries",
               HasSubstr("is 5000"))));
  Limits limits;
  limits.steps = 9;
  FieldViolations violations;
  CheckSteps(IterativeLeastLikelyConfig(), "attack", {8. / 255}, limits,
             &violations);
  EXPECT_THAT(ViolationsOf(violations.status()),
              ElementsAre(Pair("attack.iterative_least_likely.steps",
                               HasSubstr("would be 10"))));
}

}  // namespace
}  // namespace adv
