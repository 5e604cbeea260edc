#include "model_store/trainer/import_model.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ParsePreprocessingTest, EachPartHasItsNumbers) {
  const auto parsed = ParsePreprocessing(
      "mean=.485, .456,.406,std=.229,.224,.225,range=255,order=bgr");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->mean, ElementsAre(.485, .456, .406));
  EXPECT_THAT(parsed->std, ElementsAre(.229, .224, .225));
  EXPECT_EQ(parsed->range, 255);
  EXPECT_TRUE(parsed->bgr);
  const auto one = ParsePreprocessing("std=.5");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT(one->mean, IsEmpty());
  EXPECT_EQ(one->range, 1);
  EXPECT_FALSE(one->bgr);
}

TEST(ParsePreprocessingTest, WhatIsWrongIsNamed) {
  for (const char* wrong :
       {"", "1,2", "mean=", "mean=x", "median=1", "order=rgb,1", "order=xyz",
        "range=1,2", "mean=1,mean=2", "mean=1,,2"}) {
    const auto parsed = ParsePreprocessing(wrong);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument)
        << wrong;
    EXPECT_THAT(std::string(parsed.status().message()),
                HasSubstr("--preprocess"));
  }
}

TEST(ParseImportOptionsTest, AllIsUnderstood) {
  const std::vector<const char*> words = {
      "import",          "net.pt",
      "--store=models",  "--shape=3x64x32",
      "--classes=c.txt", "--name=mine",
      "--probabilities", "--preprocess=range=255"};
  ImportOptions options;
  int exit_code = -1;
  ASSERT_TRUE(ParseImportOptions(static_cast<int>(words.size()), words.data(),
                                 &options, &exit_code));
  EXPECT_EQ(options.file, "net.pt");
  EXPECT_EQ(options.store, "models");
  EXPECT_EQ(options.name, "mine");
  EXPECT_THAT(options.image_shape, ElementsAre(3, 64, 32));
  EXPECT_EQ(options.classes, "c.txt");
  EXPECT_TRUE(options.gives_probabilities);
  EXPECT_EQ(options.preprocessing.range, 255);
}

TEST(ParseImportOptionsTest, AWrongShapeEndsWithTwo) {
  for (const char* shape : {"--shape=3x64", "--shape=3x64x0", "--shape=axbxc",
                            "--shape=", "--shape=3x64x64x1"}) {
    const std::vector<const char*> words = {"import", "net.pt", "--store=s",
                                            "--classes=c", shape};
    ImportOptions options;
    int exit_code = 0;
    EXPECT_FALSE(ParseImportOptions(static_cast<int>(words.size()),
                                    words.data(), &options, &exit_code));
    EXPECT_EQ(exit_code, 2) << shape;
  }
}

}  // namespace
}  // namespace adv
