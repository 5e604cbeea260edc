#ifndef ADV_SERVER_SECURITY_GATE_H_
#define ADV_SERVER_SECURITY_GATE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/compute/clock.h"
#include "server/compute/mutex.h"
#include "server/security/identities.h"
#include "server/security/quotas.h"
#include "server/telemetry/log.h"

namespace adv {

// What a call shows of its caller.
struct Shown {
  // The values of the metadata "authorization".
  std::vector<std::string> authorization;
  // Of a client's certificate that the handshake accepted; empty without one.
  std::string certificate;         // PEM
  std::string chain;               // PEM, what came beside it
  std::vector<std::string> names;  // its subject alternative names
};

// Who is not known: "unknown", with no role.
const IdentityPtr& UnknownIdentity();

// Everybody, where nobody is asked who they are: "anonymous", an admin.
const IdentityPtr& AnonymousIdentity();

// Who calls, and whether they may.
struct Admission {
  IdentityPtr identity;  // never null
  absl::Status status;
};

struct GateStats {
  int64_t identities = 0;           // 0: nobody is asked who they are
  bool last_reload_failed = false;  // the file is not what is used
  absl::Time last_reload;           // that succeeded
};

// The one place that decides who may call what. Without a file of identities
// everybody whom TLS lets in is "anonymous", an admin.
//
// Thread-safe.
class Gate {
 public:
  // OK if a client's certificate with its chain is still good.
  using CheckClient =
      std::function<absl::Status(const std::string&, const std::string&)>;

  // `path`: the file, read again by Refresh; empty: none. `check_client` may
  // be empty. Errors are those of the file and name --identities. `clock` and
  // `log` must outlive it.
  static absl::StatusOr<std::unique_ptr<Gate>> Open(std::string path,
                                                    CheckClient check_client,
                                                    Clock* clock, Log* log);
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Decides about one call and counts it against the caller's quota. `method`
  // is written as in Rules. UNAUTHENTICATED, PERMISSION_DENIED or
  // RESOURCE_EXHAUSTED, each with its reason; none repeats a token.
  Admission Admit(absl::string_view method, const Shown& shown);

  // Looks at the file. A damaged one changes nothing, and the log says once
  // what is wrong with it.
  void Refresh() ADV_EXCLUDES(mutex_);

  Quotas& quotas() { return quotas_; }
  GateStats stats() const ADV_EXCLUDES(mutex_);

 private:
  Gate(std::string path, CheckClient check_client, Clock* clock, Log* log);
  absl::Status Read() ADV_EXCLUDES(mutex_);
  absl::StatusOr<IdentityPtr> Identify(const Shown& shown) const
      ADV_EXCLUDES(mutex_);

  const std::string path_;
  const CheckClient check_client_;
  Log& log_;
  Clock& clock_;
  Quotas quotas_;

  mutable Mutex mutex_;
  // Null: nobody is asked who they are.
  std::shared_ptr<const Identities> identities_ ADV_GUARDED_BY(mutex_);
  std::string content_ ADV_GUARDED_BY(mutex_);  // of the file, last seen
  std::string fault_ ADV_GUARDED_BY(mutex_);    // of the file, last told
  GateStats stats_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_GATE_H_
