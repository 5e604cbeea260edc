// Encoding: attacks of the engine, with every parameter spelt out.
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "server/codec/codec_attack_config.h"

namespace adv {
namespace {

using google::protobuf::FieldDescriptor;

// The step size, as a share of epsilon, of an attack whose step size is not
// given.
double ShareOfEpsilon(const PgdConfig& /*config*/) { return 0.25; }
double ShareOfEpsilon(const MiFgsmConfig& config) {
  return 1.0 / static_cast<double>(config.steps.value());
}
template <typename Config>
double ShareOfEpsilon(const Config& /*config*/) {
  return 0;  // it has none that could be left out
}

// Writes the parameters of one attack into the fields of their names. ForEach
// calls the overload for each parameter's kind.
class ParameterWriter {
 public:
  ParameterWriter(std::optional<double> epsilon, double step_share,
                  google::protobuf::Message* message)
      : epsilon_(epsilon),
        step_share_(step_share),
        message_(message),
        reflection_(*message->GetReflection()) {}

  void operator()(const parameter::Count& described,
                  const parameter::Count& count) const {
    WriteCount(described.about(), count);
  }
  void operator()(const parameter::OptionalCount& described,
                  const parameter::OptionalCount& count) const {
    // Without an epsilon a count that follows from it stays absent.
    if (epsilon_) {
      WriteCount(described.about(), IgsmSteps(count, *epsilon_));
    } else if (count) {
      WriteCount(described.about(), *count);
    }
  }
  void operator()(const parameter::Number& described,
                  const parameter::Number& number) const {
    reflection_.SetDouble(message_, &Field(described.about()), number);
  }
  void operator()(const parameter::Size& described,
                  const parameter::Size& size) const {
    WriteSize(described.about(), size);
  }
  void operator()(const parameter::OptionalSize& described,
                  const parameter::OptionalSize& size) const {
    if (size) {
      WriteSize(described.about(), *size);
      // At epsilon 0 the rule gives 0, which is no valid step size.
    } else if (epsilon_ && *epsilon_ > 0) {
      WriteSize(described.about(), *epsilon_ * step_share_);
    }
  }
  void operator()(const parameter::Flag& described,
                  const parameter::Flag& flag) const {
    reflection_.SetBool(message_, &Field(described.about()), flag);
  }
  template <typename Enum>
  void operator()(const parameter::Choice<Enum>& described,
                  const parameter::Choice<Enum>& choice) const {
    const FieldDescriptor& field = Field(described.about());
    const auto index = static_cast<size_t>(choice.value());
    reflection_.SetEnumValue(message_, &field,
                             EnumeratorOf(field, described.names()[index]));
  }

 private:
  const FieldDescriptor& Field(const parameter::About& about) const {
    return FieldOf(*message_->GetDescriptor(), about);
  }
  void WriteCount(const parameter::About& about, int64_t count) const {
    reflection_.SetUInt32(message_, &Field(about),
                          static_cast<uint32_t>(count));
  }
  void WriteSize(const parameter::About& about, double pixels) const {
    reflection_.MutableMessage(message_, &Field(about))
        ->CopyFrom(EncodeSize(pixels));
  }

  const std::optional<double> epsilon_;
  const double step_share_;
  google::protobuf::Message* const message_;
  const google::protobuf::Reflection& reflection_;
};

// Leaves out a parameter that the attack does not use, so that its value cannot
// change the evaluation's id.
template <typename Config>
void DropIdle(const Config& /*config*/, v1::Attack* /*attack*/) {}
void DropIdle(const ApgdConfig& config, v1::Attack* attack) {
  if (config.loss != ApgdConfig::Loss::kTargetedDlr) {
    attack->mutable_apgd()->clear_target_classes();
  }
}

template <typename Config>
void Encode(const Config& config, std::optional<double> epsilon,
            v1::Attack* attack) {
  const FieldDescriptor* const kind =
      v1::Attack::descriptor()->FindFieldByName(Config::kName);
  parameter::ForEach(
      config,
      ParameterWriter(epsilon, ShareOfEpsilon(config),
                      attack->GetReflection()->MutableMessage(attack, kind)));
  DropIdle(config, attack);
}

void Encode(const AutoAttackConfig& config, std::optional<double> epsilon,
            v1::Attack* attack) {
  // The standard ensemble is written out as well, so that it has one form
  // whether or not the request listed its members.
  for (const AnyAttack& member : MembersOf(config)) {
    *attack->mutable_auto_attack()->add_members() =
        EncodeAttack(member.config, epsilon);
  }
}

}  // namespace

v1::Attack EncodeAttack(const AttackConfig& config,
                        std::optional<double> epsilon) {
  v1::Attack attack;
  std::visit([&](const auto& one) { Encode(one, epsilon, &attack); }, config);
  return attack;
}

v1::Epsilon EncodeSize(double pixels) {
  v1::Epsilon size;
  size.set_pixels(pixels);
  return size;
}

const FieldDescriptor& FieldOf(const google::protobuf::Descriptor& message,
                               const parameter::About& parameter) {
  return *message.FindFieldByName(parameter.name);
}

int EnumeratorOf(const FieldDescriptor& field, absl::string_view name) {
  const google::protobuf::EnumDescriptor& type = *field.enum_type();
  // The name of 0, such as "APGD_LOSS_UNSPECIFIED", holds the prefix of all
  // names.
  const std::string& zero = type.FindValueByNumber(0)->name();
  const std::string prefix =
      zero.substr(0, zero.size() - (sizeof("UNSPECIFIED") - 1));
  const auto* const value =
      type.FindValueByName(absl::StrCat(prefix, absl::AsciiStrToUpper(name)));
  return value == nullptr ? 0 : value->number();
}

}  // namespace adv
