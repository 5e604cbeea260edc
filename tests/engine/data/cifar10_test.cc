#include "engine/data/cifar10.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/engine/data/message_of.h"
#include "tests/engine/temp_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

constexpr size_t kRecordBytes = 3073;

// A record whose bytes tell where they are from.
std::string Record(char label, unsigned char red, unsigned char green,
                   unsigned char blue) {
  return std::string(1, label) + std::string(1024, static_cast<char>(red)) +
         std::string(1024, static_cast<char>(green)) +
         std::string(1024, static_cast<char>(blue));
}

// An official file of black aeroplanes (a sparse file, quick to make).
void WriteZeros(const TempFolder& folder, const std::string& name,
                size_t records = 10000) {
  std::filesystem::resize_file(folder.Write(name, ""), records * kRecordBytes);
}

TEST(Cifar10Test, HasTenClassesInTheOfficialOrder) {
  ASSERT_EQ(Cifar10ClassNames().size(), 10u);
  EXPECT_EQ(Cifar10ClassNames()[0], "airplane");
  EXPECT_EQ(Cifar10ClassNames()[3], "cat");
  EXPECT_EQ(Cifar10ClassNames()[9], "truck");
}

TEST(ParseCifar10Test, LabelsPlanesAndRows) {
  std::string bytes = Record(3, 10, 20, 255) + Record(9, 0, 1, 2);
  bytes[1 + 1024 + 32 * 5 + 7] = 99;  // first image: green, row 5, column 7
  const auto dataset = ParseCifar10(bytes, "two.bin");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->class_names, Cifar10ClassNames());
  EXPECT_TRUE(at::equal(dataset->labels, at::tensor({3, 9}, at::kLong)));
  EXPECT_EQ(dataset->images.sizes(), at::IntArrayRef({2, 3, 32, 32}));
  at::Tensor expected = at::empty({2, 3, 32, 32}, at::kByte);
  const int planes[2][3] = {{10, 20, 255}, {0, 1, 2}};
  for (int image = 0; image < 2; ++image) {
    for (int plane = 0; plane < 3; ++plane) {
      expected[image][plane].fill_(planes[image][plane]);
    }
  }
  expected[0][1][5][7] = 99;
  EXPECT_TRUE(at::equal(dataset->images, expected));
}

// The expected digest is that of sha256sum of 3,073 zero bytes.
TEST(ParseCifar10Test, DigestIsThatOfTheFile) {
  EXPECT_EQ(ParseCifar10(std::string(kRecordBytes, '\0'), "zeros")->digest,
            "5fbf904d9c5cb6f356cb9eb1ee1d1511051088e1f08551ccbe753e4334fa6d9f");
  EXPECT_NE(ParseCifar10(Record(1, 0, 0, 0), "other")->digest,
            "5fbf904d9c5cb6f356cb9eb1ee1d1511051088e1f08551ccbe753e4334fa6d9f");
}

TEST(ParseCifar10Test, RefusesOtherSizes) {
  for (const size_t size : {size_t{0}, kRecordBytes - 1, kRecordBytes + 1}) {
    const absl::Status status =
        ParseCifar10(std::string(size, '\0'), "odd.bin").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(MessageOf(status),
                HasSubstr("odd.bin: " + std::to_string(size) +
                          " bytes, must be a positive multiple of 3073"));
  }
}

TEST(ParseCifar10Test, RefusesLabelsAboveNine) {
  const std::string good = Record(9, 0, 0, 0);
  for (const unsigned char label : {10, 255}) {
    const absl::Status status =
        ParseCifar10(good + Record(static_cast<char>(label), 0, 0, 0), "x.bin")
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(MessageOf(status),
                HasSubstr("x.bin: record 1 has label " + std::to_string(label) +
                          ", must be in [0, 9]"));
  }
}

TEST(ReadCifar10FileTest, IsNamedAfterTheFile) {
  const TempFolder folder;
  const std::string bytes = Record(2, 1, 2, 3);
  EXPECT_EQ(ReadCifar10File(folder.Write("some-birds.bin", bytes))->name,
            "some-birds");
  EXPECT_EQ(ReadCifar10File(folder.Write("v1.2", bytes))->name, "v1.2");
}

TEST(ReadCifar10FileTest, MissingOrBad) {
  const TempFolder folder;
  const absl::Status missing =
      ReadCifar10File(folder.path() + "/none.bin").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(missing), HasSubstr("/none.bin"));
  EXPECT_EQ(ReadCifar10File(folder.path()).status().code(),
            absl::StatusCode::kNotFound);
  const std::string bad = folder.Write("bad.bin", "short");
  EXPECT_THAT(MessageOf(ReadCifar10File(bad).status()), HasSubstr(bad));
}

TEST(ReadCifar10Test, TestSplitInTheFolderOrItsSubfolder) {
  for (const std::string prefix : {"", "cifar-10-batches-bin/"}) {
    const TempFolder folder;
    WriteZeros(folder, prefix + "test_batch.bin");
    const auto dataset = ReadCifar10(folder.path(), Cifar10Split::kTest);
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_EQ(dataset->size(), 10000);
    EXPECT_EQ(dataset->name, "cifar10-test");
    EXPECT_EQ(dataset->class_names, Cifar10ClassNames());
  }
}

TEST(ReadCifar10Test, TrainSplitJoinsItsFilesInOrder) {
  const TempFolder folder;
  const std::string batch = "data_batch_";
  for (int i = 1; i <= 5; ++i) {
    const std::string name = batch + std::to_string(i) + ".bin";
    folder.Write(name, Record(static_cast<char>(i), 0, 0, 0));
    std::filesystem::resize_file(folder.path() + "/" + name,
                                 10000 * kRecordBytes);
  }
  const auto dataset = ReadCifar10(folder.path(), Cifar10Split::kTrain);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->size(), 50000);
  EXPECT_EQ(dataset->name, "cifar10-train");
  EXPECT_TRUE(at::equal(dataset->Labels({0, 10000, 20000, 30000, 40000}),
                        at::tensor({1, 2, 3, 4, 5}, at::kLong)));
  EXPECT_EQ(dataset->digest, DigestRecords(dataset->images, dataset->labels));
}

TEST(ReadCifar10Test, SaysWhichFileIsMissingAndWhereFrom) {
  const TempFolder folder;
  WriteZeros(folder, "data_batch_1.bin");
  const absl::Status status =
      ReadCifar10(folder.path(), Cifar10Split::kTrain).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status),
              HasSubstr("no data_batch_2.bin in " + folder.path()));
  EXPECT_THAT(MessageOf(status), HasSubstr("cifar-10-binary.tar.gz"));
}

TEST(ReadCifar10Test, RefusesAnotherNumberOfRecords) {
  const TempFolder folder;
  WriteZeros(folder, "test_batch.bin", 9999);
  const absl::Status status =
      ReadCifar10(folder.path(), Cifar10Split::kTest).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(status), HasSubstr("9999 records, must be 10000"));
}

}  // namespace
}  // namespace adv
