#include "client/session/errors.h"

#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "adv/v1/attack.pb.h"
#include "client/attacks/attack_parameters.h"
#include "client/printers/visible.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace adv {
namespace {

struct Mapping {
  const char* field;  // searched in the path; the first that matches wins
  const char* flag;
};

// The order matters: "source_model" comes before "model", and "spec.goal"
// before "goal".
constexpr Mapping kMappings[] = {
    {"source_model", "--source-model"},
    {"cancel_on_disconnect", "--cancel-on-disconnect"},
    {"eight_bit", "--eight-bit"},
    {"precision", "--precision"},
    {"tile_size", "--tile-size"},
    {"page_size", "--limit"},
    {"top_k", "--top-k"},
    {"norm", "--norm"},
    {"epsilon", "--epsilon"},
    {"spec.goal", "--goal"},
    {"goal", "--target"},
    {"attack", "--attack"},
    {"dataset", "--dataset"},
    {"samples", "--samples"},
    {"success", "--success"},
    {"seed", "--seed"},
    {"labels", "--label"},
    {"images", "IMAGE"},
    {"model", "--model"},
    {"id", "ID"},
};

// What a caller who is not let in can do.
std::string Advice(grpc::StatusCode code) {
  if (code == grpc::StatusCode::UNAUTHENTICATED) {
    return "\n  the server does not know who you are: --token-file=FILE names "
           "your token, --certificate and --key your certificate (advctl "
           "context show tells what is used)";
  }
  if (code == grpc::StatusCode::PERMISSION_DENIED) {
    return "\n  your role does not allow this call: use an identity that has "
           "the role, or ask who runs the server";
  }
  return "";
}

// The name of a code as gRPC's documentation writes it.
std::string CodeName(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::CANCELLED:
      return "CANCELLED";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "DEADLINE_EXCEEDED";
    case grpc::StatusCode::NOT_FOUND:
      return "NOT_FOUND";
    case grpc::StatusCode::ALREADY_EXISTS:
      return "ALREADY_EXISTS";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "PERMISSION_DENIED";
    case grpc::StatusCode::UNAUTHENTICATED:
      return "UNAUTHENTICATED";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case grpc::StatusCode::FAILED_PRECONDITION:
      return "FAILED_PRECONDITION";
    case grpc::StatusCode::ABORTED:
      return "ABORTED";
    case grpc::StatusCode::OUT_OF_RANGE:
      return "OUT_OF_RANGE";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "UNIMPLEMENTED";
    case grpc::StatusCode::INTERNAL:
      return "INTERNAL";
    case grpc::StatusCode::UNAVAILABLE:
      return "UNAVAILABLE";
    case grpc::StatusCode::DATA_LOSS:
      return "DATA_LOSS";
    default:
      return "UNKNOWN";
  }
}

// What happened in a few words, with the code for those who look it up.
std::string Headline(const grpc::Status& status) {
  const std::string code = CodeName(status.error_code());
  switch (ExitCodeOf(status.error_code())) {
    case kRefused:
      return absl::StrCat("the server refuses (", code, ")");
    case kUnreachable:
      return absl::StrCat("the server is not available (", code, ")");
    default:
      break;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return "no answer in time (DEADLINE_EXCEEDED); --timeout sets the limit";
  }
  return absl::StrCat("the call failed (", code, ")");
}

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;

std::string WithDashes(const std::string& text) {
  return absl::StrReplaceAll(text, {{"_", "-"}});
}

// The names of the protocol that a server's message may hold, each with the
// words typed for it.
std::vector<std::pair<std::string, std::string>> MakeWords() {
  std::vector<std::pair<std::string, std::string>> words = {
      {"SUCCESS_RULE_LAST_ITERATE", "last"},
      {"SUCCESS_RULE_ANY_ITERATE", "any"},
      {"TARGET_RULE_FIXED", "targeted:CLASS"},
      {"TARGET_RULE_LEAST_LIKELY", "least-likely"},
      {"TARGET_RULE_NEXT", "next"},
      {"TARGET_RULE_RANDOM", "random"},
      {"source_model", "--source-model"},
      {"PRECISION_FAST", "fast"},
      {"PRECISION_FLOAT32", "float32"},
      {"eight_bit", "--eight-bit"}};
  for (const EnumDescriptor* values :
       {v1::Norm_descriptor(), v1::ApgdLoss_descriptor(),
        v1::NoiseKind_descriptor()}) {
    // EnumNames leaves out value 0, so its names begin at value 1.
    const std::vector<std::string> names = EnumNames(*values);
    for (std::size_t i = 0; i < names.size(); ++i) {
      words.emplace_back(values->value(static_cast<int>(i) + 1)->name(),
                         names[i]);
    }
  }
  const auto add = [&words](const std::string& name) {
    // Names without "_" look alike in both worlds.
    if (absl::StrContains(name, "_"))
      words.emplace_back(name, WithDashes(name));
  };
  const auto* kinds = v1::Attack::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    add(kinds->field(i)->name());
    const Descriptor& attack = *kinds->field(i)->message_type();
    for (int f = 0; f < attack.field_count(); ++f) add(attack.field(f)->name());
  }
  return words;
}

// A server's message in the words of the command line.
std::string InWords(const std::string& message) {
  static const auto* const words =
      new std::vector<std::pair<std::string, std::string>>(MakeWords());
  return absl::StrReplaceAll(message, *words);
}

// One line for each violation. The flag comes first, and the field follows in
// brackets for those who know the protocol.
void AppendViolations(const google::rpc::BadRequest& bad, std::string* text) {
  for (const auto& violation : bad.field_violations()) {
    const std::string flag = FlagOf(violation.field());
    const std::string field = Visible(violation.field());
    absl::StrAppend(text, "\n  ", flag.empty() ? field : flag, ": ",
                    Visible(InWords(violation.description())));
    if (!flag.empty()) absl::StrAppend(text, "  [", field, "]");
  }
}

// "--attack (value 2), step-size" for a field of an attack or of an
// AutoAttack's member; empty for other fields.
std::string ParameterFlag(const std::string& field) {
  // The bounds on repetition keep std::stoi in range and the recursion of
  // std::regex short, whatever the server sends.
  static const std::regex* const kParameter =
      new std::regex(R"((?:^|\.)attacks?(?:\[(\d{1,6})\])?)"
                     R"((?:\.auto_attack\.members\[\d{1,6}\])?)"
                     R"(\.\w{1,40}\.(\w{1,40}))");
  std::smatch match;
  if (!std::regex_search(field, match, *kParameter)) return "";
  // People count the values of a list from 1.
  const std::string which =
      match[1].matched ? absl::StrCat(" (value ", std::stoi(match[1]) + 1, ")")
                       : "";
  return absl::StrCat("--attack", which, ", ", WithDashes(match[2].str()));
}

}  // namespace

ExitCode ExitCodeOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return kOk;
    case grpc::StatusCode::UNAVAILABLE:
      return kUnreachable;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNIMPLEMENTED:
      return kRefused;
    default:
      return kFailed;
  }
}

std::string FlagOf(const std::string& field) {
  // Parameters come first: "attack" would match their paths, too, and tell
  // less.
  if (std::string flag = ParameterFlag(field); !flag.empty()) return flag;
  for (const Mapping& mapping : kMappings) {
    if (!absl::StrContains(field, mapping.field)) continue;
    std::string flag = mapping.flag;
    // Such a flag holds a list, so the message says which value is wrong.
    static const std::regex* const kItem =
        new std::regex(R"((?:epsilons|attacks)\[(\d{1,6})\])");
    std::smatch item;
    if ((flag == "--epsilon" || flag == "--attack") &&
        std::regex_search(field, item, *kItem)) {
      absl::StrAppend(&flag, " (value ", std::stoi(item[1]) + 1, ")");
    }
    return flag;
  }
  return "";
}

ExitCode ConnectErrorCode(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return kUsage;
  return absl::IsUnavailable(status) ? kUnreachable : kFailed;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  // The details are a google.rpc.Status as bytes. Errors that gRPC itself makes
  // have none.
  if (!rich.ParseFromString(status.error_details())) return "";
  for (const auto& detail : rich.details()) {
    if (detail.Is<google::rpc::ErrorInfo>()) detail.UnpackTo(&info);
  }
  return info.reason();
}

std::string Explain(const grpc::Status& status) {
  std::string text = Headline(status);
  google::rpc::Status rich;
  google::rpc::BadRequest bad;
  google::rpc::RetryInfo retry;
  if (rich.ParseFromString(status.error_details())) {
    for (const auto& detail : rich.details()) {
      if (detail.Is<google::rpc::BadRequest>()) detail.UnpackTo(&bad);
      if (detail.Is<google::rpc::RetryInfo>()) detail.UnpackTo(&retry);
    }
  }
  // The violations say all that the message says, and also where.
  if (bad.field_violations().empty()) {
    absl::StrAppend(&text, ": ", Visible(InWords(status.error_message())));
  }
  AppendViolations(bad, &text);
  absl::StrAppend(&text, Advice(status.error_code()));
  if (retry.has_retry_delay()) {
    const double seconds =
        retry.retry_delay().seconds() + retry.retry_delay().nanos() * 1e-9;
    absl::StrAppend(&text, absl::StrFormat("\n  try again in %.1f s", seconds));
  }
  return text;
}

}  // namespace adv
