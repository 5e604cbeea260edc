#ifndef ADV_SERVER_SECURITY_QUOTAS_H_
#define ADV_SERVER_SECURITY_QUOTAS_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "server/compute/clock.h"
#include "server/compute/mutex.h"
#include "server/security/identities.h"

namespace adv {

// What identities have used of their quotas, by name. A minute's worth may be
// used at once; then it grows back evenly. Work that costs more than is left
// is done, and paid back before the next: otherwise nothing larger than a
// minute's worth could ever be done.
//
// Refusals are RESOURCE_EXHAUSTED with the reason QUOTA_EXCEEDED, and say when
// to ask again. Thread-safe.
class Quotas {
 public:
  // `clock` is not owned and must outlive it.
  explicit Quotas(Clock* clock) : clock_(*clock) {}
  Quotas(const Quotas&) = delete;
  Quotas& operator=(const Quotas&) = delete;

  // One call.
  absl::Status CountCall(const Identity& identity) ADV_EXCLUDES(mutex_);

  // Work of this cost.
  absl::Status Charge(const Identity& identity, int64_t cost)
      ADV_EXCLUDES(mutex_);
  // Gives back what Charge took, for work that was not done after all.
  void Refund(const Identity& identity, int64_t cost) ADV_EXCLUDES(mutex_);

  // An evaluation that the identity is about to start. `runs` says of an id
  // whether that evaluation runs; those that do not are forgotten here.
  absl::Status AddEvaluation(
      const Identity& identity, const std::string& id,
      const std::function<bool(const std::string&)>& runs) ADV_EXCLUDES(mutex_);

 private:
  // Grows to a minute's worth.
  struct Budget {
    double left = 0;  // below 0: a debt
    Clock::Time at;   // when that was so
    bool used = false;
  };
  struct Used {
    Budget calls;
    Budget cost;
    std::set<std::string> evaluations;
  };

  // The seconds until the budget allows anything; 0 if it does so now, and
  // then `amount` is taken from it.
  double Take(Budget* budget, int64_t per_minute, int64_t amount) const
      ADV_REQUIRES(mutex_);

  Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Used> used_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_QUOTAS_H_
