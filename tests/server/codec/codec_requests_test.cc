#include "server/codec/codec_requests.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <limits>

#include "tests/server/codec/float_images.h"
#include "tests/server/toy_model.h"
#include "tests/server/violations.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class ClassifyCodecTest : public ::testing::Test {
 protected:
  ClassifyCodecTest() {
    *request_.mutable_images() = FloatImages(std::vector<float>(24, .5F));
  }
  absl::StatusOr<ClassifyTask> Decode() const {
    return DecodeClassify(request_, MakeToyModel(), limits_);
  }
  std::vector<std::pair<std::string, std::string>> Violations() const {
    return ViolationsOf(Decode().status());
  }

  v1::ClassifyRequest request_;
  Limits limits_;
};

TEST_F(ClassifyCodecTest, BytesInNhwcBecomePixelsChannelsLast) {
  v1::ImageBatch& images = *request_.mutable_images();
  images.set_data(std::string("\x00\x33\x66\xff\xcc\x99", 6) +
                  std::string(6, '\0'));
  images.clear_shape();
  for (const int size : {1, 2, 2, 3}) images.add_shape(size);
  images.set_data_type(v1::DATA_TYPE_UINT8);
  images.set_layout(v1::IMAGE_LAYOUT_NHWC);
  const auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_TRUE(task->images.is_contiguous(at::MemoryFormat::ChannelsLast));
  ASSERT_EQ(task->images.sizes(), at::IntArrayRef({1, 3, 2, 2}));
  const auto pixel = [&](int64_t channel, int64_t x) {
    return task->images[0][channel][0][x].item<float>();
  };
  EXPECT_FLOAT_EQ(pixel(0, 0), 0);
  EXPECT_FLOAT_EQ(pixel(0, 1), 1);
  EXPECT_FLOAT_EQ(pixel(1, 0), .2F);
  EXPECT_FLOAT_EQ(pixel(1, 1), .8F);
  EXPECT_FLOAT_EQ(pixel(2, 0), .4F);
  EXPECT_FLOAT_EQ(pixel(2, 1), .6F);
}

TEST_F(ClassifyCodecTest, TheTaskOwnsItsPixels) {
  const auto task = Decode();
  ASSERT_TRUE(task.ok());
  request_.mutable_images()->mutable_data()->assign(96, '\0');
  EXPECT_TRUE(task->images.eq(.5).all().item<bool>());
  EXPECT_EQ(task->top_k, 3);
}

TEST_F(ClassifyCodecTest, TypeAndLayoutMustBeGiven) {
  request_.mutable_images()->clear_data_type();
  request_.mutable_images()->clear_layout();
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("images.data_type", HasSubstr("DATA_TYPE_UINT8")),
                  Pair("images.layout", HasSubstr("IMAGE_LAYOUT_NHWC"))));
  request_.mutable_images()->set_data_type(static_cast<v1::DataType>(9));
  request_.mutable_images()->set_layout(v1::IMAGE_LAYOUT_NCHW);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("images.data_type", HasSubstr("is 9"))));
}

TEST_F(ClassifyCodecTest, TheShapeMustBeTheModels) {
  request_.mutable_images()->set_shape(1, 4);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("images.shape",
                               AllOf(HasSubstr("{2, 4, 2, 2}"),
                                     HasSubstr("must be {N, 3, 2, 2}")))));
  request_.mutable_images()->set_layout(v1::IMAGE_LAYOUT_NHWC);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("images.shape", HasSubstr("must be {N, 2, 2, 3}"))));
  request_.mutable_images()->clear_shape();
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("images.shape", HasSubstr("is {}"))));
  for (int i = 0; i < 1000; ++i) request_.mutable_images()->add_shape(i);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("images.shape", HasSubstr("7, ...}"))));
}

TEST_F(ClassifyCodecTest, BatchesAreNeitherEmptyNorOversized) {
  for (const int64_t count : {int64_t{0}, int64_t{-1}, int64_t{1025},
                              std::numeric_limits<int64_t>::max()}) {
    request_.mutable_images()->set_shape(0, count);
    EXPECT_THAT(Violations(),
                ElementsAre(Pair("images.shape",
                                 AllOf(HasSubstr(std::to_string(count)),
                                       HasSubstr("must hold 1 to 1024")))));
  }
}

TEST_F(ClassifyCodecTest, TheLengthMustFitTheShape) {
  request_.mutable_images()->mutable_data()->pop_back();
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("images.data", AllOf(HasSubstr("has 95 bytes"),
                                            HasSubstr("must have 96")))));
}

TEST_F(ClassifyCodecTest, PixelsMustBeNumbersInTheBox) {
  for (const float wrong :
       {-.01F, 1.01F, std::numeric_limits<float>::quiet_NaN(),
        std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(24, .5F);
    values[13] = wrong;
    values[14] = wrong;
    *request_.mutable_images() = FloatImages(values);
    EXPECT_THAT(Violations(),
                ElementsAre(Pair("images.data",
                                 AllOf(HasSubstr("has 2 values"),
                                       HasSubstr("index 13 (image 1)"),
                                       HasSubstr("must be in [0, 1]")))));
  }
}

TEST_F(ClassifyCodecTest, TopKHasARange) {
  request_.set_top_k(4);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("top_k",
                               AllOf(HasSubstr("is 4"), HasSubstr("1 to 3")))));
}

TEST_F(ClassifyCodecTest, AnswersAreBestFirstWithEqualsInClassOrder) {
  request_.set_top_k(2);
  request_.set_include_logits(true);
  const auto task = Decode();
  ASSERT_TRUE(task.ok());
  v1::ClassifyResponse response;
  EncodeClassify(*task, at::tensor({1.F, 2.F, 3.F, 5.F, 5.F, 0.F}).view({2, 3}),
                 &response);
  EXPECT_EQ(response.model().name(), "toy");
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).top(0).class_name(), "blue");
  EXPECT_EQ(response.results(0).top(1).label(), 1);
  EXPECT_EQ(response.results(1).top(0).label(), 0);
  EXPECT_EQ(response.results(1).top(1).label(), 1);
  EXPECT_NEAR(response.results(0).top(0).probability(), .66524, 1e-5);
  EXPECT_THAT(response.results(0).logits(), ElementsAre(1, 2, 3));
}

TEST(PageSizeTest, ZeroIsTheDefaultAndThereIsAMost) {
  v1::ListEvaluationRecordsRequest request;
  EXPECT_EQ(*DecodePageSize(request), 1000);
  request.set_page_size(10000);
  EXPECT_EQ(*DecodePageSize(request), 10000);
  request.set_page_size(10001);
  EXPECT_THAT(ViolationsOf(DecodePageSize(request).status()),
              ElementsAre(Pair("page_size", AllOf(HasSubstr("is 10001"),
                                                  HasSubstr("1 to 10000")))));
}

}  // namespace
}  // namespace adv
