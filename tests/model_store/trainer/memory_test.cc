#include "model_store/trainer/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "tests/model_store/test_store.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

MemoryPlan Plan(int64_t batch_size, int64_t models) {
  return {*VggLayers("table51"), 60000, batch_size, models};
}

TEST(EstimateMemoryTest, GrowsWithBatchesAndModels) {
  const MemoryNeed small = EstimateMemory(Plan(32, 1));
  const MemoryNeed large = EstimateMemory(Plan(4096, 1));
  const MemoryNeed many = EstimateMemory(Plan(32, 11));
  // One batch of 4096 images through 1,525,738 parameters: some 10 GB.
  EXPECT_GT(large.device, 4u << 30);
  EXPECT_LT(large.device, uint64_t{32} << 30);
  EXPECT_EQ(small.host, large.host);
  EXPECT_LT(small.device, 1u << 30);
  EXPECT_GT(many.device, 2 * small.device);
  EXPECT_LT(many.device, 11 * small.device) << "the data are shared";
}

TEST(CheckMemoryTest, SaysWhatIsNeededAndWhatThereIs) {
  EXPECT_TRUE(CheckMemory(1000, 1000).ok());
  const absl::Status status = CheckMemory(2'500'000'000, 1'200'000'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("needs about 2.5 GB"), HasSubstr("1.2 GB are"),
                    HasSubstr("--batch-size")));
}

TEST(CheckMemoryTest, AnImpossibleRunIsRefusedHere) {
  EXPECT_GT(AvailableMemory(), 0u);
  EXPECT_FALSE(
      CheckMemory(EstimateMemory(Plan(65536, 1 << 20)), at::kCPU).ok());
}

class CgroupMemoryTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = folder_ / path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  uint64_t Free(const std::string& membership) {
    return CgroupMemory(membership, folder_.path());
  }

  const TemporaryFolder folder_;
};

TEST_F(CgroupMemoryTest, TheTightestGroupOfVersion2Counts) {
  Write("a/memory.max", "5000\n");
  Write("a/memory.current", "2000\n");
  Write("a/b/memory.max", "max\n");
  Write("a/b/memory.current", "1000\n");
  EXPECT_EQ(Free("0::/a/b\n"), 3000u);
  Write("a/memory.stat", "anon 700\ninactive_file 500\n");
  EXPECT_EQ(Free("0::/a/b\n"), 3500u) << "pages of files can be dropped";
  Write("a/memory.current", "9000\n");
  EXPECT_EQ(Free("0::/a/b\n"), 0u);
}

TEST_F(CgroupMemoryTest, Version1IsUnderstood) {
  Write("memory/x/memory.limit_in_bytes", "4096\n");
  Write("memory/x/memory.usage_in_bytes", "96\n");
  EXPECT_EQ(Free("9:memory:/x\n3:cpu:/y\n"), 4000u);
}

TEST_F(CgroupMemoryTest, NoLimitIsNone) {
  EXPECT_EQ(Free("0::/nowhere\n"), kUnlimited);
  EXPECT_EQ(Free(""), kUnlimited);
}

}  // namespace
}  // namespace adv
