#ifndef ADV_CLIENT_ATTACKS_ATTACK_TEXT_H_
#define ADV_CLIENT_ATTACKS_ATTACK_TEXT_H_

#include <string>

#include "adv/v1/attack.pb.h"
#include "google/protobuf/repeated_ptr_field.h"

namespace adv {

// For tables: "MI-FGSM".
std::string AttackTitle(const v1::Attack& attack);

// "40 steps of 2/255, 5 restarts": how many steps or queries, and what is not
// at its default; empty if there is nothing to say.
std::string AttackParameters(const v1::Attack& attack);

// As --attack takes it, with every parameter that is set: "pgd:steps=20".
std::string TypedAttack(const v1::Attack& attack);

// Whether two attacks do the same, however they were typed: a parameter at its
// default is as good as none.
bool SameAttack(const v1::Attack& a, const v1::Attack& b);

// True if the attack asks for no gradients: its forwards are queries.
bool NeedsNoGradients(const v1::Attack& attack);

// What attacks take from a source model, before the model's name: "gradients
// from", or "made on" if none of them needs gradients.
std::string SourceText(
    const google::protobuf::RepeatedPtrField<v1::Attack>& attacks);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_ATTACK_TEXT_H_
