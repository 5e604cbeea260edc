#ifndef ADV_CLIENT_ATTACKS_ATTACK_DOCS_H_
#define ADV_CLIENT_ATTACKS_ATTACK_DOCS_H_

#include <string>
#include <vector>

#include "adv/v1/attack.pb.h"

namespace adv {

// A parameter of an attack; its type is the protocol's (ParameterType).
struct ParameterDocs {
  std::string name;           // as typed: "step-size"
  std::string default_value;  // as typed, or a rule: "epsilon / 4"
  std::string range;          // empty where the type says it all
  std::string about;
};

// What is known of an attack without asking a server. Its parameters are told
// by their declarations (engine/attacks/attack_config.h), its norms and what it
// needs by its traits (attack_traits.h).
struct AttackDocs {
  std::string name;     // as typed: "mi-fgsm"
  std::string title;    // for tables: "MI-FGSM"
  std::string summary;  // a few words
  std::string about;    // some sentences
  std::string example;  // as --attack takes it
  std::string paper;
  std::string targets = {};  // yes, no, or with which loss not
  std::vector<v1::Norm> norms = {};
  std::string needs =
      {};  // of the model: gradients, scores, decisions, nothing
  bool minimises = false;  // finds the smallest change, whatever the epsilon
  std::vector<ParameterDocs> parameters = {};  // in the protocol's order
};

// Every attack of the protocol, in its order; a server runs some of them.
const std::vector<AttackDocs>& AllAttackDocs();

// Whether two names are of one attack: "auto-attack", "auto_attack",
// "autoattack" and "AutoAttack" are.
bool SameAttackName(const std::string& a, const std::string& b);

// A name that the field has for an attack, or for one with certain parameters.
struct AttackAlias {
  std::string name;    // "apgd-t"
  std::string attack;  // as --attack takes it: "apgd:loss=targeted-dlr"
};
const std::vector<AttackAlias>& AllAttackAliases();

// What a name stands for as --attack takes it; the name itself if it is no
// alias.
std::string ExpandAlias(const std::string& name);

// "apgd-ce, apgd-dlr (loss=dlr)"; empty if the attack has no other names.
std::string AliasesText(const AttackDocs& attack);

// By name as typed or as in the protocol ("mi_fgsm"), or by alias, whatever its
// parameters; null if there is none.
const AttackDocs* FindAttackDocs(const std::string& name);

// "within epsilon" or "smallest".
std::string KindText(const AttackDocs& attack);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_ATTACK_DOCS_H_
