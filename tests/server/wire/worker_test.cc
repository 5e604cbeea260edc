#include "server/wire/worker.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

namespace adv {
namespace {

TEST(WorkerTest, RunsTasksInOrderAndTheRestBeforeItEnds) {
  std::vector<int> ran;
  {
    Worker worker(100);
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(worker.Run([&ran, i] { ran.push_back(i); }));
    }
  }
  ASSERT_EQ(ran.size(), 50);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ran[i], i);
}

TEST(WorkerTest, RefusesMoreThanMayWait) {
  std::promise<void> entered, leave;
  Worker worker(2);
  ASSERT_TRUE(worker.Run([&] {
    entered.set_value();
    leave.get_future().wait();
  }));
  entered.get_future().wait();
  int ran = 0;
  EXPECT_TRUE(worker.Run([&ran] { ++ran; }));
  std::promise<void> last;
  EXPECT_TRUE(worker.Run([&] {
    ++ran;
    last.set_value();
  }));
  EXPECT_FALSE(worker.Run([&ran] { ++ran; }));
  leave.set_value();
  last.get_future().wait();
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace adv
