#include "server/security/quotas.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "server/wire/errors.h"
#include "tests/server/manual_clock.h"

namespace adv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class QuotasTest : public ::testing::Test {
 protected:
  static Identity WithQuota(const std::string& name, Quota quota) {
    Identity identity;
    identity.name = name;
    identity.quota = quota;
    return identity;
  }
  static void ExpectRefused(const absl::Status& status,
                            const std::string& pushback) {
    EXPECT_TRUE(HasReason(status, Reason::kQuotaExceeded)) << status;
    EXPECT_EQ(RetryPushback(status), pushback);
  }

  ManualClock clock_;
  Quotas quotas_{&clock_};
  const Identity unlimited_ = WithQuota("unlimited", {});
};

TEST_F(QuotasTest, WithoutAQuotaNothingIsRefused) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(quotas_.CountCall(unlimited_).ok());
    EXPECT_TRUE(quotas_.Charge(unlimited_, int64_t{1} << 50).ok());
  }
}

TEST_F(QuotasTest, AMinutesCallsMayComeAtOnceAndThenEvenly) {
  const Identity ci = WithQuota("ci", {/*calls_per_minute=*/3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(quotas_.CountCall(ci).ok());
  ExpectRefused(quotas_.CountCall(ci), "20000");
  clock_.Advance(seconds(15));
  ExpectRefused(quotas_.CountCall(ci), "5000");
  clock_.Advance(seconds(5));
  EXPECT_TRUE(quotas_.CountCall(ci).ok());
  ExpectRefused(quotas_.CountCall(ci), "20000");
}

TEST_F(QuotasTest, AnHourOfSilenceSavesNoMoreThanAMinute) {
  const Identity ci = WithQuota("ci", {/*calls_per_minute=*/2});
  EXPECT_TRUE(quotas_.CountCall(ci).ok());
  clock_.Advance(std::chrono::hours(1));
  EXPECT_TRUE(quotas_.CountCall(ci).ok());
  EXPECT_TRUE(quotas_.CountCall(ci).ok());
  EXPECT_FALSE(quotas_.CountCall(ci).ok());
}

TEST_F(QuotasTest, OneIdentityDoesNotUseWhatAnotherHas) {
  const Identity one = WithQuota("one", {/*calls_per_minute=*/1});
  const Identity two = WithQuota("two", {/*calls_per_minute=*/1});
  EXPECT_TRUE(quotas_.CountCall(one).ok());
  EXPECT_FALSE(quotas_.CountCall(one).ok());
  EXPECT_TRUE(quotas_.CountCall(two).ok());
}

TEST_F(QuotasTest, WorkThatCostsMoreThanAMinuteIsDoneAndPaidBack) {
  const Identity ci = WithQuota("ci", {0, /*cost_per_minute=*/600});
  EXPECT_TRUE(quotas_.Charge(ci, 1800).ok());
  // 1,200 too many, at 10 a second, and one more to begin.
  ExpectRefused(quotas_.Charge(ci, 1), "120100");
  clock_.Advance(seconds(120));
  ExpectRefused(quotas_.Charge(ci, 1), "100");
  clock_.Advance(milliseconds(200));
  EXPECT_TRUE(quotas_.Charge(ci, 1).ok());
}

TEST_F(QuotasTest, WorkThatWasRefusedElsewhereIsGivenBack) {
  const Identity ci = WithQuota("ci", {0, /*cost_per_minute=*/600});
  EXPECT_TRUE(quotas_.Charge(ci, 600).ok());
  quotas_.Refund(ci, 600);
  EXPECT_TRUE(quotas_.Charge(ci, 600).ok());
  EXPECT_FALSE(quotas_.Charge(ci, 1).ok());
}

TEST_F(QuotasTest, AChangedLimitCountsFromTheNextCall) {
  EXPECT_TRUE(quotas_.CountCall(WithQuota("ci", {100})).ok());
  const Identity less = WithQuota("ci", {1});
  EXPECT_TRUE(quotas_.CountCall(less).ok());
  EXPECT_FALSE(quotas_.CountCall(less).ok());
}

TEST_F(QuotasTest, EvaluationsCountWhileTheyRun) {
  const Identity ci = WithQuota("ci", {0, 0, /*evaluations=*/2});
  std::set<std::string> running;
  const auto runs = [&](const std::string& id) {
    return running.count(id) != 0;
  };
  const auto add = [&](const std::string& id) {
    absl::Status status = quotas_.AddEvaluation(ci, id, runs);
    if (status.ok()) running.insert(id);
    return status;
  };
  EXPECT_TRUE(add("a").ok());
  EXPECT_TRUE(add("b").ok());
  ExpectRefused(add("c"), "10000");
  // It counts once, whoever asks again.
  EXPECT_TRUE(add("a").ok());
  running.erase("b");
  EXPECT_TRUE(add("c").ok());
  EXPECT_FALSE(add("d").ok());
  EXPECT_TRUE(quotas_.AddEvaluation(unlimited_, "e", runs).ok());
}

}  // namespace
}  // namespace adv
