#include "engine/data/open_dataset.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/data/array_dataset.h"
#include "engine/data/npy.h"
#include "tests/engine/data/message_of.h"
#include "tests/engine/temp_folder.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As numpy.save writes it, in version 1.
std::string Npy(const std::string& descr, const std::string& shape,
                const std::string& values) {
  std::string header =
      absl::StrCat("{'descr': '", descr,
                   "', 'fortran_order': False, 'shape': ", shape, ", }\n");
  return absl::StrCat(std::string("\x93NUMPY\x01\x00", 8),
                      std::string(1, static_cast<char>(header.size())),
                      std::string(1, '\0'), header, values);
}

TEST(NpyTest, ArraysAreReadWithTheirType) {
  const auto bytes = ParseNpy(Npy("|u1", "(2, 3)", "\x01\x02\x03\x04\x05\x06"));
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_TRUE(
      bytes->equal(at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).view({2, 3})));
  const auto one = ParseNpy(Npy("<f4", "(1,)", std::string("\0\0\x80\x3f", 4)));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_TRUE(one->equal(at::ones({1})));
  EXPECT_EQ(ParseNpy(Npy("<i8", "(0,)", ""))->numel(), 0);
}

TEST(NpyTest, WhatIsWrongIsSaid) {
  const std::string good = Npy("|u1", "(2,)", "ab");
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(ParseNpy(good.substr(0, length)).ok()) << length;
  }
  EXPECT_THAT(MessageOf(ParseNpy("PK").status()), HasSubstr("no .npy"));
  EXPECT_THAT(MessageOf(ParseNpy(Npy(">f4", "(1,)", "1234")).status()),
              HasSubstr("little-endian"));
  EXPECT_THAT(MessageOf(ParseNpy(Npy("|O", "(1,)", "12345678")).status()),
              HasSubstr("must be uint8"));
  EXPECT_FALSE(ParseNpy(Npy("|u1", "(-1,)", "a")).ok());
  EXPECT_FALSE(
      ParseNpy(Npy("|u1", "(4611686018427387904, 4)", "")).ok());  // 2^64
}

TEST(ArrayDatasetTest, EitherLayoutAndEitherKindOfPixels) {
  const at::Tensor bytes = at::randint(256, {4, 3, 5, 6}, at::kByte);
  const at::Tensor labels = at::tensor({0, 2, 1, 2}, at::kInt);
  const auto first = MakeArrayDataset(bytes, labels, {"a", "b", "c"});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto last =
      MakeArrayDataset(bytes.permute({0, 2, 3, 1}), labels, {"a", "b", "c"});
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(first->digest, last->digest);
  const auto floats = MakeArrayDataset(bytes.to(at::kDouble) / 255, labels, {});
  ASSERT_TRUE(floats.ok()) << floats.status();
  EXPECT_TRUE(floats->Pixels({3, 0}).equal(first->Pixels({3, 0})));
  EXPECT_NE(floats->digest, first->digest);
  EXPECT_THAT(floats->class_names, ElementsAre("0", "1", "2"));
  const auto gray = MakeArrayDataset(bytes.select(1, 0), labels, {});
  ASSERT_TRUE(gray.ok()) << gray.status();
  EXPECT_EQ(gray->images.sizes(), at::IntArrayRef({4, 1, 5, 6}));
}

TEST(ArrayDatasetTest, WhatIsWrongIsNamed) {
  const at::Tensor images = at::zeros({2, 3, 4, 4});
  const at::Tensor labels = at::tensor({0, 1}, at::kLong);
  const auto message = [](const at::Tensor& some, const at::Tensor& of,
                          std::vector<std::string> names = {}) {
    return MessageOf(MakeArrayDataset(some, of, std::move(names)).status());
  };
  EXPECT_THAT(message(images + 1.5, labels), HasSubstr("outside [0, 1]"));
  EXPECT_THAT(message(images.masked_fill(images.eq(0), NAN), labels),
              HasSubstr("outside [0, 1]"));
  EXPECT_THAT(message(images.to(at::kInt), labels), HasSubstr("uint8"));
  EXPECT_THAT(message(at::zeros({2, 5, 4, 4}), labels),
              HasSubstr("1 or 3 channels"));
  EXPECT_THAT(message(images, at::zeros({3}, at::kLong)),
              HasSubstr("must be 2 integers"));
  EXPECT_THAT(message(images, at::zeros({2})), HasSubstr("integers"));
  EXPECT_THAT(message(images, labels, {"one"}), HasSubstr("[0, 0]"));
  EXPECT_THAT(message(images, labels - 1, {"a", "b"}), HasSubstr("from -1"));
  EXPECT_THAT(message(images, labels * 1'000'000),
              AllOf(HasSubstr("[0, 999999]"), HasSubstr("to 1000000")));
  EXPECT_THAT(message(images, labels, {"a", "a"}), HasSubstr("twice"));
  EXPECT_THAT(message(images, labels, {"a", "\x1b[31mb"}),
              HasSubstr("'\\x1b[31mb'"));
}

TEST(ClassNamesTest, OneInEachLineAndNoneTwice) {
  EXPECT_THAT(*ParseClassNames("a dog\r\ncat\n"), ElementsAre("a dog", "cat"));
  EXPECT_THAT(MessageOf(ParseClassNames("a\n\nb").status()),
              HasSubstr("line 2: is empty"));
  EXPECT_THAT(MessageOf(ParseClassNames("a\nb\na").status()),
              HasSubstr("line 3: names a class a second time"));
  EXPECT_THAT(MessageOf(ParseClassNames("a\n\x1b[31mb").status()),
              HasSubstr("line 2: '\\x1b[31mb'"));
  EXPECT_THAT(*ParseSuperclasses("pets\npets", 2), ElementsAre("pets", "pets"));
  EXPECT_THAT(MessageOf(ParseSuperclasses("pets\n\x07", 2).status()),
              HasSubstr("line 2: '\\x07'"));
}

class OpenDatasetTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) const {
    return folder_.Write(name, bytes);
  }

  TempFolder folder_;
};

TEST_F(OpenDatasetTest, AFolderOfArraysWithNamesBesideThem) {
  Write("images.npy", Npy("|u1", "(2, 1, 1, 2)", "abcd"));
  Write("labels.npy", Npy("|u1", "(2,)", std::string("\1\0", 2)));
  Write("classes.txt", "no\nyes\n");
  const auto dataset = OpenDataset(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->class_names, ElementsAre("no", "yes"));
  EXPECT_EQ(dataset->labels[0].item<int64_t>(), 1);
  EXPECT_THAT(dataset->superclasses, IsEmpty());
  const std::string path = Write("superclasses.txt", "answers\nanswers\n");
  EXPECT_THAT(OpenDataset(folder_.path())->superclasses,
              ElementsAre("answers", "answers"));
  Write("superclasses.txt", "answers\n");
  EXPECT_THAT(
      MessageOf(OpenDataset(folder_.path()).status()),
      AllOf(HasSubstr(path), HasSubstr("1 lines"), HasSubstr("2 classes")));
  std::filesystem::remove(path);
  std::filesystem::remove(folder_.path() + "/labels.npy");
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              AllOf(HasSubstr("labels"), HasSubstr("labels.npy")));
}

TEST_F(OpenDatasetTest, Cifar100ByItsFineLabels) {
  std::string records;
  for (const char label : {'\1', '\0'}) {
    records += std::string("\1") + label + std::string(3072, 'x');
  }
  Write("test.bin", records);
  Write("fine_label_names.txt", "apple\nbear\n");
  const auto dataset = OpenDataset(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->class_names, ElementsAre("apple", "bear"));
  EXPECT_EQ(dataset->labels[0].item<int64_t>(), 1);
  EXPECT_TRUE(dataset->images.eq('x').all().item<bool>());
  EXPECT_THAT(dataset->superclasses, IsEmpty());
  Write("coarse_label_names.txt", "fish\nfood\n");
  EXPECT_THAT(OpenDataset(folder_.path())->superclasses,
              ElementsAre("food", "food"));
  Write("coarse_label_names.txt", "fish\n");
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              AllOf(HasSubstr("record 0"), HasSubstr("coarse label 1"),
                    HasSubstr("[0, 0]")));
  Write("coarse_label_names.txt", "fish\nfood\n");
  Write("test.bin", records + std::string("\0\0", 2) + std::string(3072, 'x'));
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              AllOf(HasSubstr("record 2"), HasSubstr("apple in fish"),
                    HasSubstr("food")));
  Write("test.bin", records.substr(1));
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              HasSubstr("3074"));
}

// A single row has no gaps and needs no copy to be contiguous, but the file's
// bytes are gone by now.
TEST_F(OpenDatasetTest, Cifar100OfOneImageOwnsItsPixels) {
  Write("test.bin", std::string("\0\1", 2) + std::string(3072, 'x'));
  Write("fine_label_names.txt", "apple\nbear\n");
  const auto dataset = OpenDataset(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  // A view of the record would begin behind its two labels.
  EXPECT_EQ(dataset->images.storage_offset(), 0);
  EXPECT_TRUE(dataset->images.eq('x').all().item<bool>());
  EXPECT_EQ(DigestRecords(dataset->images, dataset->labels), dataset->digest);
}

// A PGM is an image, but none of those.
TEST_F(OpenDatasetTest, AFolderOfImagesHasNothingElse) {
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              HasSubstr("test_batch.bin"));
  const std::string path = Write("cat/one.png", "P5 1 1 255 x");
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              AllOf(HasSubstr(path), HasSubstr("not a PNG or JPEG")));
  std::filesystem::remove(path);
  Write("notes", "x");
  EXPECT_THAT(MessageOf(OpenDataset(folder_.path()).status()),
              HasSubstr("is no folder"));
}

}  // namespace
}  // namespace adv
