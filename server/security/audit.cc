#include "server/security/audit.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cerrno>
#include <vector>

#include "model_store/durable_file.h"

namespace adv {
namespace {

// The name of the field that is set: "fgsm". Empty if none is.
std::string NameOf(const v1::Attack& attack) {
  const auto* const field =
      v1::Attack::GetReflection()->GetOneofFieldDescriptor(
          attack, v1::Attack::descriptor()->FindOneofByName("kind"));
  return field == nullptr ? "" : field->name();
}

std::string TextOf(const v1::Epsilon& epsilon) {
  return epsilon.unit_case() == v1::Epsilon::kLevels
             ? absl::StrCat(epsilon.levels(), "/255")
             : absl::StrCat(epsilon.pixels());
}

// "linf"; empty if none was given.
std::string TextOf(v1::Norm norm) {
  if (norm == v1::NORM_UNSPECIFIED || !v1::Norm_IsValid(norm)) return "";
  const std::string prefix = "NORM_";
  return absl::AsciiStrToLower(v1::Norm_Name(norm).substr(prefix.size()));
}

void WriteTo(Log& log, const AuditLine& line) {
  const AuditedAttack& attack = line.attack;
  log.Info("audit", {{"identity", line.identity.name},
                     {"role", RoleName(line.identity.role)},
                     {"peer", line.peer},
                     {"method", line.method},
                     {"model", attack.model},
                     {"source_model", attack.source_model},
                     {"attacks", attack.attacks},
                     {"epsilons", attack.epsilons},
                     {"norm", attack.norm},
                     {"images", attack.images},
                     {"evaluation_id", attack.evaluation_id},
                     {"request_id", line.request_id},
                     {"trace_id", line.trace_id},
                     {"code", line.code}});
}

}  // namespace

AuditedAttack DescribeAttack(const v1::GenerateAdversarialRequest& request) {
  AuditedAttack attack;
  attack.model = request.model();
  attack.source_model = request.source_model();
  attack.attacks = NameOf(request.attack());
  if (request.has_epsilon()) attack.epsilons = TextOf(request.epsilon());
  attack.norm = TextOf(request.norm());
  const auto& shape = request.images().shape();
  attack.images = request.has_dataset_images()
                      ? request.dataset_images().indices_size()
                  : shape.empty() ? 0
                                  : static_cast<int64_t>(shape.Get(0));
  return attack;
}

AuditedAttack DescribeAttack(const v1::EvaluationSpec& spec) {
  AuditedAttack attack;
  attack.model = spec.model();
  attack.source_model = spec.source_model();
  std::vector<std::string> attacks;
  for (const v1::Attack& each : spec.attacks()) attacks.push_back(NameOf(each));
  attack.attacks = absl::StrJoin(attacks, ",");
  std::vector<std::string> epsilons;
  for (const v1::Epsilon& each : spec.epsilons()) {
    epsilons.push_back(TextOf(each));
  }
  attack.epsilons = absl::StrJoin(epsilons, ",");
  attack.norm = TextOf(spec.norm());
  attack.images = static_cast<int64_t>(spec.samples());
  return attack;
}

absl::StatusOr<std::unique_ptr<Audit>> Audit::Open(const std::string& path,
                                                   LogFormat format, Log* log) {
  std::unique_ptr<Audit> audit(new Audit(format, log));
  if (path.empty()) return audit;
  const MutexLock lock(audit->mutex_);
  audit->file_.open(path, std::ios::app);
  if (audit->file_.is_open()) return audit;
  const absl::Status status = FileError(path, "open", errno);
  return absl::Status(status.code(),
                      absl::StrCat("--audit-log: ", status.message()));
}

void Audit::Write(const AuditLine& line) {
  {
    const MutexLock lock(mutex_);
    if (file_.is_open()) {
      WriteTo(file_log_, line);
      if (file_.good()) return;
      file_.clear();
      log_.Error("audit_log_failed", {{"message", "cannot write --audit-log"}});
    }
  }
  WriteTo(log_, line);
}

}  // namespace adv
