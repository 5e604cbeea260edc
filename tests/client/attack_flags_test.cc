// Attacks as typed and as told, and what is documented of them.
#include "client/attacks/attack_flags.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/attacks/attack_docs.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/attack_docs.h"
#include "client/printers/attack_reference.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/golden.h"
#include "tests/folders.h"

namespace adv {
namespace {

using testing::Golden;
using ::testing::HasSubstr;
using testing::WidestLine;

v1::Attack Parsed(const std::string& text, v1::Norm norm = v1::NORM_LINF) {
  const auto attack = ParseAttack(text, norm);
  EXPECT_TRUE(attack.ok()) << attack.status();
  return attack.ok() ? *attack : v1::Attack();
}

std::string Error(const std::string& text) {
  return std::string(ParseAttack(text).status().message());
}

TEST(AttackDocsTest, EveryAttackAndParameterOfTheProtocolIsDocumented) {
  const auto* kinds = v1::Attack::descriptor()->FindOneofByName("kind");
  ASSERT_EQ(static_cast<int>(AllAttackDocs().size()), kinds->field_count());
  for (int i = 0; i < kinds->field_count(); ++i) {
    const AttackDocs& docs = AllAttackDocs()[i];
    EXPECT_EQ(docs.name, ParameterName(*kinds->field(i)));
    EXPECT_FALSE(docs.title.empty() || docs.summary.empty() ||
                 docs.about.empty() || docs.paper.empty() ||
                 docs.targets.empty() || docs.norms.empty());
    EXPECT_THAT(docs.needs, ::testing::AnyOf("gradients", "scores", "decisions",
                                             "nothing"));
    std::vector<std::string> fields, documented;
    const auto* message = kinds->field(i)->message_type();
    for (int f = 0; f < message->field_count(); ++f) {
      fields.push_back(ParameterName(*message->field(f)));
    }
    for (const ParameterDocs& one : docs.parameters) {
      documented.push_back(one.name);
      EXPECT_FALSE(one.default_value.empty() || one.about.empty()) << one.name;
    }
    EXPECT_EQ(documented, fields) << docs.name;
  }
}

TEST(AttackDocsTest, DefaultsThatAreValuesCanBeTyped) {
  for (const AttackDocs& docs : AllAttackDocs()) {
    EXPECT_EQ(TypedAttack(Parsed(docs.example)), docs.example);
    for (const ParameterDocs& one : docs.parameters) {
      if (one.default_value.find(' ') != std::string::npos) continue;
      const v1::Attack attack =
          Parsed(docs.name + ":" + one.name + "=" + one.default_value);
      // A default is not worth a word, but for how long an attack goes on.
      if (one.name == "steps" || one.name == "queries" ||
          one.name == "step-size") {
        continue;
      }
      EXPECT_EQ(AttackParameters(attack), "") << docs.name << one.name;
    }
  }
}

TEST(AttackDocsTest, AreShownInFull) {
  EXPECT_EQ(AttackDocsText(*FindAttackDocs("pgd"), Style(false)),
            Golden("attacks_show_pgd.txt"));
  EXPECT_EQ(AttackListText(AllAttackDocs(), Style(false)),
            Golden("attacks_list.txt"));
  for (const AttackDocs& docs : AllAttackDocs()) {
    EXPECT_LE(WidestLine(AttackDocsText(docs, Style(false))), 100u)
        << docs.name;
  }
  EXPECT_LE(WidestLine(AttackListText(AllAttackDocs(), Style(false))), 100u);
  EXPECT_THAT(AttackDocsText(*FindAttackDocs("cw"), Style(false)),
              HasSubstr("\n  also called  cw\n"));
  EXPECT_THAT(AttackDocsText(*FindAttackDocs("apgd"), Style(false)),
              HasSubstr("apgd-ce, apgd-dlr (loss=dlr), apgd-t (loss=targeted"));
}

TEST(AttackDocsTest, TheReferencePageIsThatOfTheTree) {
  std::ifstream file(SourceDir() + "/engine/attacks/PARAMETERS.md");
  std::ostringstream page;
  page << file.rdbuf();
  EXPECT_EQ(AttackReference(), page.str())
      << "write it with `advctl attacks reference`";
  EXPECT_THAT(ParameterTable(AllAttackDocs()).ToCsv(),
              HasSubstr("\npgd,restarts,count,1,1 to 100,"));
}

TEST(AttackFlagsTest, KnowsEveryAttackOfTheProtocol) {
  for (const AttackDocs& docs : AllAttackDocs()) {
    const v1::Attack attack = Parsed(docs.name);
    EXPECT_EQ(AttackName(attack), docs.name);
    EXPECT_EQ(AttackTitle(attack), docs.title);
    EXPECT_EQ(AttackParameters(attack), "");
  }
  EXPECT_THAT(Error("fgms"), HasSubstr("known are fgsm, igsm"));
}

TEST(AttackFlagsTest, KnowsTheUsualSpellings) {
  for (const char* name :
       {"auto-attack", "auto_attack", "autoattack", "AutoAttack"}) {
    EXPECT_TRUE(Parsed(name).has_auto_attack()) << name;
  }
  EXPECT_TRUE(Parsed("hopskipjump:queries=50").has_hop_skip_jump());
  EXPECT_EQ(FindAttackDocs("DeepFool"), FindAttackDocs("deep-fool"));
}

TEST(AttackFlagsTest, KnowsTheNamesOfTheField) {
  for (const auto& [alias, attack] :
       std::vector<std::pair<std::string, std::string>>{
           {"bim", "igsm"},
           {"mim", "mi-fgsm"},
           {"cw", "carlini-wagner"},
           {"ill", "iterative-least-likely"},
           {"hsj", "hop-skip-jump"},
           {"apgd-ce", "apgd"},
           {"apgd-dlr", "apgd:loss=dlr"},
           {"APGD_T", "apgd:loss=targeted-dlr"},
           {"fab-t", "fab:target-classes=9"}}) {
    EXPECT_EQ(TypedAttack(Parsed(alias)), attack);
    EXPECT_NE(FindAttackDocs(alias), nullptr) << alias;
  }
  EXPECT_EQ(TypedAttack(Parsed("bim:steps=7")), "igsm:steps=7");
  EXPECT_EQ(TypedAttack(Parsed("apgd-t:steps=20")),
            "apgd:loss=targeted-dlr:steps=20");
  EXPECT_EQ(Error("apgd-t:loss=ce"),
            "loss of apgd-t: apgd-t is apgd:loss=targeted-dlr already");
  EXPECT_THAT(Error("llc"), HasSubstr("known are fgsm, igsm, iterative"));
  const auto members = Parsed("auto-attack:members=apgd-ce+apgd-t+fab-t+square")
                           .auto_attack()
                           .members();
  ASSERT_EQ(members.size(), 4);
  EXPECT_EQ(TypedAttack(members[0]), "apgd");
  EXPECT_EQ(TypedAttack(members[1]), "apgd:loss=targeted-dlr");
  EXPECT_EQ(TypedAttack(members[2]), "fab:target-classes=9");
}

TEST(AttackFlagsTest, EveryAliasIsAnAttackAndNoAttacksName) {
  for (const AttackAlias& alias : AllAttackAliases()) {
    EXPECT_EQ(TypedAttack(Parsed(alias.attack)), alias.attack);
    for (const AttackDocs& docs : AllAttackDocs()) {
      EXPECT_FALSE(SameAttackName(docs.name, alias.name)) << alias.name;
    }
  }
}

TEST(AttackFlagsTest, TellsOfEveryWrongParameter) {
  EXPECT_EQ(
      Error("pgd:stpes=3:restarts=x:steps"),
      "pgd has no parameter 'stpes'; it has step-size, steps, restarts, "
      "random-start\n"
      "restarts of pgd: 'x' is not a count; allowed are whole numbers, 1 "
      "to 100\n"
      "'steps' is not a parameter of pgd; write NAME:PARAMETER=VALUE, for "
      "example pgd:steps=20");
}

TEST(AttackFlagsTest, ReadsParametersOfEveryType) {
  EXPECT_TRUE(Parsed("fgsm:thesis-mode=true").fgsm().thesis_mode());
  const v1::Pgd pgd =
      Parsed("pgd:steps=20:restarts=5:step-size=2/255:random-start=false")
          .pgd();
  EXPECT_EQ(pgd.steps(), 20u);
  EXPECT_EQ(pgd.restarts(), 5u);
  EXPECT_EQ(pgd.step_size().levels(), 2);
  EXPECT_TRUE(pgd.has_random_start());
  EXPECT_FALSE(pgd.random_start());
  EXPECT_EQ(Parsed("apgd:loss=targeted-dlr").apgd().loss(),
            v1::APGD_LOSS_TARGETED_DLR);
  EXPECT_EQ(Parsed("noise:distribution=gaussian").noise().distribution(),
            v1::NOISE_KIND_GAUSSIAN);
  EXPECT_EQ(Parsed("mi_fgsm:momentum=0.5").mi_fgsm().momentum(), .5);
  const auto members =
      Parsed("auto-attack:members=apgd+square").auto_attack().members();
  ASSERT_EQ(members.size(), 2);
  EXPECT_TRUE(members[1].has_square());
  EXPECT_EQ(Parsed("pgd:step_size=1.5", v1::NORM_L2).pgd().step_size().pixels(),
            1.5);
}

TEST(AttackFlagsTest, SaysWhatIsWrongWithAParameter) {
  EXPECT_EQ(Error("pgd:stpes=3"),
            "pgd has no parameter 'stpes'; it has step-size, steps, restarts, "
            "random-start");
  EXPECT_EQ(Error("apgd:loss=l2"),
            "loss of apgd: 'l2' is not a value; allowed are ce, dlr, "
            "targeted-dlr");
  EXPECT_THAT(Error("apgd:loss=unspecified"), HasSubstr("allowed are ce"));
  EXPECT_THAT(Error("pgd:steps=-1"), HasSubstr("steps of pgd: '-1' is not a"));
  EXPECT_EQ(Error("pgd:steps=abc"),
            "steps of pgd: 'abc' is not a count; allowed are whole numbers, 1 "
            "to 10000, at most the server's --max-steps");
  EXPECT_THAT(Error("square:queries=1.5"),
              HasSubstr("1 to 100000, at most the server's --max-queries"));
  EXPECT_THAT(Error("pgd:restarts=4294967296"), HasSubstr("1 to 100"));
  EXPECT_EQ(
      Error("pgd:step-size=-1"),
      "step-size of pgd: '-1' is not the size of a step; it must be above "
      "0");
  EXPECT_THAT(Error("igsm:step-size=0/255"), HasSubstr("must be above 0"));
  EXPECT_THAT(Error("pgd:step-size=2"), HasSubstr("step-size of pgd: '2' is"));
  EXPECT_THAT(Error("pgd:random-start=no"),
              HasSubstr("allowed are true and false"));
  EXPECT_EQ(Error("fab:eta=nan"),
            "eta of fab: 'nan' is not a number; allowed is 1 to 10");
  EXPECT_THAT(Error("auto-attack:members=apgd+foo"),
              HasSubstr("members of auto-attack: 'foo' is not an attack"));
  EXPECT_THAT(Error("auto-attack:members=auto-attack"),
              HasSubstr("cannot be one of them"));
  EXPECT_THAT(Error("pgd:steps"), HasSubstr("write NAME:PARAMETER=VALUE"));
  EXPECT_THAT(Error("pgd:"), HasSubstr("'' is not a parameter of pgd"));
  EXPECT_THAT(Error("pgd:steps=1:steps=2"), HasSubstr("is given twice"));
}

TEST(AttackFlagsTest, TellsWhatIsNotDefault) {
  const auto told = [](const char* text) {
    return AttackParameters(Parsed(text));
  };
  EXPECT_EQ(told("fgsm:thesis-mode=true"), "thesis mode");
  EXPECT_EQ(told("pgd:step-size=2/255:steps=40:restarts=5:random-start=true"),
            "40 steps of 2/255, 5 restarts");
  EXPECT_EQ(told("pgd:random-start=false"), "no random start");
  EXPECT_EQ(told("igsm:steps=1"), "1 step");
  EXPECT_EQ(told("igsm:step-size=1/255"), "steps of 1/255");
  EXPECT_EQ(told("apgd:loss=dlr:steps=100"), "100 steps, dlr loss");
  EXPECT_EQ(told("mi-fgsm:momentum=0.5"), "momentum 0.5");
  EXPECT_EQ(told("carlini-wagner:steps=1000:binary-search-steps=1"),
            "1,000 steps, 1 binary search step");
  EXPECT_EQ(told("fab:steps=100:target-classes=9"),
            "100 steps, 9 target classes");
  EXPECT_EQ(told("square:queries=5000"), "5,000 queries");
  EXPECT_EQ(told("noise:distribution=gaussian:repeats=3"),
            "gaussian distribution, 3 repeats");
  EXPECT_EQ(told("auto-attack:members=apgd+square"), "APGD + Square");
}

TEST(AttackFlagsTest, KnowsWhatNeedsNoGradients) {
  EXPECT_TRUE(NeedsNoGradients(Parsed("square")));
  EXPECT_TRUE(NeedsNoGradients(Parsed("boundary")));
  EXPECT_TRUE(NeedsNoGradients(Parsed("auto-attack:members=square+noise")));
  EXPECT_FALSE(NeedsNoGradients(Parsed("auto-attack:members=square+pgd")));
  EXPECT_FALSE(NeedsNoGradients(Parsed("auto-attack")));
  EXPECT_FALSE(NeedsNoGradients(Parsed("pgd")));
}

TEST(AttackFlagsTest, StepsGoToTheAttacksThatHaveThem) {
  std::vector<v1::Attack> attacks = {Parsed("fgsm"), Parsed("igsm"),
                                     Parsed("pgd:steps=20")};
  StepFlags flags;
  flags.steps = 7;
  flags.step_size = *ParseEpsilon("2/255");
  ASSERT_TRUE(ApplySteps(flags, &attacks).ok());
  EXPECT_EQ(AttackParameters(attacks[0]), "");
  EXPECT_EQ(AttackParameters(attacks[1]), "7 steps of 2/255");
  EXPECT_EQ(AttackParameters(attacks[2]), "20 steps of 2/255");
  attacks.resize(1);
  EXPECT_THAT(std::string(ApplySteps(flags, &attacks).message()),
              HasSubstr("--steps: FGSM has no such parameter"));
  attacks = {Parsed("pgd:steps=20")};
  EXPECT_THAT(std::string(ApplySteps(flags, &attacks).message()),
              HasSubstr("--steps: --attack sets it already"));
}

TEST(SameAttackTest, HoweverItIsTyped) {
  const auto same = [](const char* a, const char* b) {
    const auto first = ParseAttack(a), second = ParseAttack(b);
    EXPECT_TRUE(first.ok() && second.ok()) << a << " " << b;
    EXPECT_EQ(SameAttack(*first, *second), SameAttack(*second, *first));
    return SameAttack(*first, *second);
  };
  EXPECT_TRUE(same("bim", "igsm"));
  EXPECT_TRUE(same("apgd-ce", "apgd"));
  EXPECT_TRUE(same("apgd:loss=ce", "apgd"));  // its default
  EXPECT_TRUE(same("igsm:step-size=1/255", "igsm"));
  EXPECT_TRUE(
      same("igsm:step-size=2/255", "bim:step_size=0.00784313725490196"));
  EXPECT_TRUE(same("pgd:restarts=5:steps=20", "pgd:steps=20:restarts=5"));
  EXPECT_TRUE(same("auto-attack:members=apgd-ce+square",
                   "autoattack:members=apgd + square"));
  EXPECT_FALSE(same("bim", "fgsm"));
  EXPECT_FALSE(same("apgd", "apgd-dlr"));
  EXPECT_FALSE(same("apgd-t", "apgd-dlr"));
  EXPECT_FALSE(same("pgd:steps=20", "pgd:steps=21"));
  EXPECT_FALSE(same("auto-attack:members=apgd-ce+square",
                    "auto-attack:members=apgd-t+square"));
  EXPECT_FALSE(same("auto-attack:members=apgd+square",
                    "auto-attack:members=square+apgd"));
  EXPECT_FALSE(same("auto-attack", "auto-attack:members=square"));
}

}  // namespace
}  // namespace adv
