#include "server/models/dataset_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "engine/data/sampling.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kRecord = 3073;

void WriteRecords(const std::string& path, int records) {
  std::ofstream(path, std::ios::binary) << std::string(records * kRecord, 1);
}

absl::Status OpenError(const std::string& entry) {
  return DatasetRegistry::Open({entry}).status();
}

TEST(DatasetRegistryTest, HasABalancedSampleBuiltIn) {
  const auto registry = DatasetRegistry::Open({});
  ASSERT_TRUE(registry.ok()) << registry.status();
  const auto sample = registry->Find(kBuiltInDataset);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ((*sample)->size(), 1000);
  EXPECT_EQ((*sample)->name, "cifar10-sample");
  const auto by_label = IndicesByLabel((*sample)->labels);
  EXPECT_THAT(by_label, SizeIs(10));
  for (const auto& [label, indices] : by_label) {
    EXPECT_THAT(indices, SizeIs(100)) << label;
  }
}

TEST(DatasetRegistryTest, ReadsFilesByName) {
  const TemporaryFolder folder;
  WriteRecords(folder / "some.bin", 3);
  const auto registry =
      DatasetRegistry::Open({"mine=" + (folder / "some.bin")});
  ASSERT_TRUE(registry.ok()) << registry.status();
  EXPECT_EQ((*registry->Find("mine"))->size(), 3);
  EXPECT_EQ((*registry->Find("mine"))->name, "mine");
  EXPECT_THAT(registry->List(), SizeIs(2));
}

TEST(DatasetRegistryTest, UnknownNameListsTheKnownOnes) {
  const auto registry = DatasetRegistry::Open({});
  const absl::Status status = registry->Find("imagenet").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"imagenet\""), HasSubstr("cifar10-sample")));
}

TEST(DatasetRegistryTest, BadEntriesSayWhatIsWrong) {
  for (const char* entry : {"name", "=path", "name=", "Bad Name=path"}) {
    const absl::Status status = OpenError(entry);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << entry;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(entry), HasSubstr("NAME=PATH")));
  }
  const absl::Status taken = OpenError("cifar10-sample=/tmp");
  EXPECT_TRUE(absl::IsInvalidArgument(taken));
  EXPECT_THAT(std::string(taken.message()), HasSubstr("taken"));
}

TEST(DatasetRegistryTest, BadFilesSayWhatIsWrong) {
  const TemporaryFolder folder;
  absl::Status status = OpenError("mine=" + (folder / "missing.bin"));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"mine="), HasSubstr("missing.bin")));

  std::ofstream(folder / "short.bin") << std::string(kRecord - 1, 1);
  status = OpenError("mine=" + (folder / "short.bin"));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("multiple of 3073"));

  // A folder must hold the test split.
  status = OpenError("mine=" + folder.path());
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("test_batch.bin"));
}

}  // namespace
}  // namespace adv
