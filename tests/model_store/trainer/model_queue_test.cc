#include "model_store/trainer/model_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include "model_store/durable_file.h"
#include "model_store/model_store.h"
#include "tests/model_store/test_store.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

class ModelQueueTest : public ::testing::Test {
 protected:
  ModelQueueTest() : out_(std::tmpfile()), reporter_(out_) {
    EXPECT_TRUE(MakeFolder(leases_).ok());
  }
  ~ModelQueueTest() override { std::fclose(out_); }

  std::unique_ptr<ModelQueue> MakeQueue(const std::vector<ModelTask>& tasks,
                                        bool wait = true) {
    return std::make_unique<ModelQueue>(
        store_, tasks, ModelQueue::Options{leases_, 1, wait}, &reporter_,
        [this] { return stop_.load(); });
  }
  static ModelTask Task(const std::string& name, uint64_t known_version = 0) {
    return {name, ImbalanceRecipe(), known_version};
  }
  void Publish(const std::string& name) {
    ASSERT_TRUE(
        store_.Publish(ExampleManifest(name), {{kWeightsFile, "w"}}).ok());
  }
  std::string Output() {
    std::string text;
    std::rewind(out_);
    for (int c = std::fgetc(out_); c != EOF; c = std::fgetc(out_)) {
      text.push_back(static_cast<char>(c));
    }
    return text;
  }

  const TemporaryFolder folder_;
  const ModelStore store_{folder_ / "store"};
  const std::string leases_ = folder_ / "leases";
  std::FILE* const out_;
  Reporter reporter_;
  std::atomic<bool> stop_{false};
};

TEST_F(ModelQueueTest, HandsOutEachModelOnceInOrder) {
  const auto queue = MakeQueue({Task("one"), Task("two")});
  const auto one = queue->Next();
  const auto two = queue->Next();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->task.name, "one");
  EXPECT_EQ(two->task.name, "two");
  ASSERT_TRUE(one->lease.ok());
  EXPECT_TRUE((*one->lease)->Check().ok());
  EXPECT_FALSE(queue->Next());
}

TEST_F(ModelQueueTest, PassesOverWhatIsPublishedMeanwhile) {
  const auto queue = MakeQueue({Task("one"), Task("two"), Task("three", 1)});
  Publish("one");
  Publish("three");
  const auto next = queue->Next();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->task.name, "two");
  const auto forced = queue->Next();
  ASSERT_TRUE(forced) << "version 1 was there when the run began";
  EXPECT_EQ(forced->task.name, "three");
  EXPECT_THAT(Output(), HasSubstr("one  was published as version 1"));
}

TEST_F(ModelQueueTest, LeavesWhatAnotherHoldsForLater) {
  auto held = Lease::Take(leases_, "one", 3600);
  ASSERT_TRUE(held.ok());
  const auto queue = MakeQueue({Task("one"), Task("two")});
  const auto two = queue->Next();
  ASSERT_TRUE(two);
  EXPECT_EQ(two->task.name, "two");
  EXPECT_THAT(Output(), HasSubstr("one  leased by process "));
  std::thread other([&] { held->reset(); });  // it failed
  const auto one = queue->Next();
  other.join();
  ASSERT_TRUE(one);
  EXPECT_EQ(one->task.name, "one");
}

TEST_F(ModelQueueTest, NoticesWhenAnotherHasPublished) {
  auto held = Lease::Take(leases_, "one", 3600);
  ASSERT_TRUE(held.ok());
  const auto queue = MakeQueue({Task("one")});
  std::thread other([&] {
    Publish("one");
    held->reset();
  });
  EXPECT_FALSE(queue->Next());
  other.join();
}

TEST_F(ModelQueueTest, DoesNotWaitIfItMustNot) {
  const auto held = Lease::Take(leases_, "one", 3600);
  ASSERT_TRUE(held.ok());
  const auto queue = MakeQueue({Task("one")}, /*wait=*/false);
  EXPECT_FALSE(queue->Next());
  EXPECT_THAT(Output(), HasSubstr("one  left to the worker that holds it"));
}

TEST_F(ModelQueueTest, AStopEndsTheWait) {
  const auto held = Lease::Take(leases_, "one", 3600);
  ASSERT_TRUE(held.ok());
  const auto queue = MakeQueue({Task("one")});
  std::thread other([&] { stop_ = true; });
  EXPECT_FALSE(queue->Next());
  other.join();
}

TEST_F(ModelQueueTest, AModelThatCannotBeLeasedIsHandedOutWithTheError) {
  ASSERT_TRUE(MakeFolder(leases_ + "/one.lease").ok());
  const auto queue = MakeQueue({Task("one"), Task("two")});
  const auto one = queue->Next();
  ASSERT_TRUE(one);
  EXPECT_THAT(std::string(one->lease.status().message()),
              HasSubstr("one.lease"));
  const auto two = queue->Next();
  ASSERT_TRUE(two);
  EXPECT_TRUE(two->lease.ok());
}

}  // namespace
}  // namespace adv
