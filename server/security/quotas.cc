#include "server/security/quotas.h"

#include <absl/strings/str_cat.h>
#include <absl/time/time.h>

#include <algorithm>
#include <iterator>

#include "server/wire/errors.h"

namespace adv {
namespace {

constexpr double kMinute = 60;
// An evaluation takes seconds to hours, so this is a guess.
constexpr double kEvaluationRetry = 10;

absl::Status Exceeded(const Identity& identity, absl::string_view limit,
                      double seconds) {
  return Overloaded(
      Reason::kQuotaExceeded,
      absl::StrCat("the identity ", identity.name, " may ", limit,
                   "; ask again in ", absl::StrCat(seconds), " s"),
      absl::Seconds(seconds));
}

}  // namespace

double Quotas::Take(Budget* budget, int64_t per_minute, int64_t amount) const {
  const Clock::Time now = clock_.Now();
  const auto most = static_cast<double>(per_minute);
  const double per_second = most / kMinute;
  const double grown = budget->left + Seconds(now - budget->at) * per_second;
  // Everything is left at the first time; and the limit may have become lower.
  budget->left = budget->used ? std::min(most, grown) : most;
  budget->at = now;
  budget->used = true;
  // One unit at least, so that fractions do not count as room.
  if (budget->left < 1) return (1 - budget->left) / per_second;
  budget->left -= static_cast<double>(amount);
  return 0;
}

absl::Status Quotas::CountCall(const Identity& identity) {
  const int64_t limit = identity.quota.calls_per_minute;
  if (limit == 0) return absl::OkStatus();
  const MutexLock lock(mutex_);
  const double wait = Take(&used_[identity.name].calls, limit, 1);
  if (wait == 0) return absl::OkStatus();
  return Exceeded(identity, absl::StrCat("make ", limit, " calls a minute"),
                  wait);
}

absl::Status Quotas::Charge(const Identity& identity, int64_t cost) {
  const int64_t limit = identity.quota.cost_per_minute;
  if (limit == 0) return absl::OkStatus();
  const MutexLock lock(mutex_);
  const double wait = Take(&used_[identity.name].cost, limit, cost);
  if (wait == 0) return absl::OkStatus();
  return Exceeded(
      identity,
      absl::StrCat("use a cost of ", limit, " a minute (images times passes)"),
      wait);
}

void Quotas::Refund(const Identity& identity, int64_t cost) {
  if (identity.quota.cost_per_minute == 0) return;
  const MutexLock lock(mutex_);
  used_[identity.name].cost.left += static_cast<double>(cost);
}

absl::Status Quotas::AddEvaluation(
    const Identity& identity, const std::string& id,
    const std::function<bool(const std::string&)>& runs) {
  const int64_t limit = identity.quota.evaluations;
  if (limit == 0) return absl::OkStatus();
  const MutexLock lock(mutex_);
  std::set<std::string>& evaluations = used_[identity.name].evaluations;
  for (auto each = evaluations.begin(); each != evaluations.end();) {
    each = runs(*each) ? std::next(each) : evaluations.erase(each);
  }
  if (static_cast<int64_t>(evaluations.size()) >= limit &&
      evaluations.count(id) == 0) {
    return Exceeded(identity,
                    absl::StrCat("run ", limit, " evaluations at once"),
                    kEvaluationRetry);
  }
  evaluations.insert(id);
  return absl::OkStatus();
}

}  // namespace adv
