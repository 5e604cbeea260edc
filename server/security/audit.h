#ifndef ADV_SERVER_SECURITY_AUDIT_H_
#define ADV_SERVER_SECURITY_AUDIT_H_

#include <absl/status/statusor.h>

#include <fstream>
#include <memory>
#include <string>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "server/compute/mutex.h"
#include "server/security/identities.h"
#include "server/telemetry/log.h"

namespace adv {

// What a call attacks, in words. Empty where the call did not say or was
// refused before it was read.
struct AuditedAttack {
  std::string model;
  std::string source_model;  // of a transfer
  std::string attacks;       // names with commas
  std::string epsilons;      // with commas: "8/255,0.01"
  std::string norm;
  int64_t images = 0;
  std::string evaluation_id;
};
AuditedAttack DescribeAttack(const v1::GenerateAdversarialRequest& request);
AuditedAttack DescribeAttack(const v1::EvaluationSpec& spec);

// A line of the audit log.
struct AuditLine {
  const Identity& identity;
  const std::string& peer;
  const std::string& method;
  const AuditedAttack& attack;
  const std::string& request_id;
  const std::string& trace_id;  // empty: of no trace
  const char* code;
};

// One line, event=audit, for each attack that was asked for. Thread-safe.
class Audit {
 public:
  // Lines go to `path`, after those that are there; empty: to `log`, which
  // must outlive it. The error names --audit-log.
  static absl::StatusOr<std::unique_ptr<Audit>> Open(const std::string& path,
                                                     LogFormat format,
                                                     Log* log);
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  // The line has left the process when this returns. One that the file does
  // not take (a full disk) goes to the log, with an error beside it.
  void Write(const AuditLine& line) ADV_EXCLUDES(mutex_);

 private:
  Audit(LogFormat format, Log* log) : log_(*log), file_log_(file_, format) {}

  Log& log_;
  Mutex mutex_;
  std::ofstream file_ ADV_GUARDED_BY(mutex_);
  Log file_log_;
};

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_AUDIT_H_
