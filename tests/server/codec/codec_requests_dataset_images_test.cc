// Requests for adversarial images of a data set.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cstring>
#include <memory>
#include <utility>

#include "tests/server/codec/generate_codec_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// A data set of six images of the toy model's shape.
std::shared_ptr<const Dataset> MakeImages() {
  auto dataset = std::make_shared<Dataset>();
  dataset->class_names = {"red", "green", "blue"};
  dataset->images = at::arange(6 * 12, at::kByte).view({6, 3, 2, 2});
  dataset->labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  return dataset;
}

TEST_F(GenerateCodecTest, ImagesMayBeADataSets) {
  dataset_ = MakeImages();
  request_.clear_images();
  request_.mutable_dataset_images()->add_indices(4);
  request_.mutable_dataset_images()->add_indices(2);
  const auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->dataset, dataset_);
  EXPECT_TRUE(task->images.equal(dataset_->Pixels({4, 2})));
  EXPECT_TRUE(task->labels.equal(at::tensor({1, 2}, at::kLong)));
  EXPECT_TRUE(task->samples.equal(at::tensor({4, 2}, at::kLong)));
}

TEST_F(GenerateCodecTest, ImagesOfADataSetComeBackWithTheirOriginals) {
  dataset_ = MakeImages();
  request_.clear_images();
  request_.set_eight_bit(true);
  request_.mutable_dataset_images()->add_indices(4);
  const auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  const auto images = Perturb(*task, [] { return absl::OkStatus(); });
  ASSERT_TRUE(images.ok()) << images.status();
  v1::GenerateAdversarialResponse response;
  EncodeGenerate(request_, *task, *images, &response);
  for (const v1::ImageBatch* batch :
       {&response.images(), &response.originals()}) {
    EXPECT_EQ(batch->layout(), v1::IMAGE_LAYOUT_NCHW);
    EXPECT_EQ(batch->data_type(), v1::DATA_TYPE_UINT8);
    EXPECT_THAT(batch->shape(), ElementsAre(1, 3, 2, 2));
  }
  EXPECT_EQ(response.originals().data()[0], 48);  // 4 times 12 values
}

TEST_F(GenerateCodecTest, OriginalsOfADataSetOfFloatsAreNotRounded) {
  auto images = std::make_shared<Dataset>(*MakeImages());
  images->images = images->images.to(at::kFloat).div(300);
  dataset_ = images;
  request_.clear_images();
  request_.mutable_dataset_images()->add_indices(4);
  const auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  const auto found = Perturb(*task, [] { return absl::OkStatus(); });
  ASSERT_TRUE(found.ok()) << found.status();
  v1::GenerateAdversarialResponse response;
  EncodeGenerate(request_, *task, *found, &response);
  ASSERT_EQ(response.originals().data_type(), v1::DATA_TYPE_FLOAT32);
  float first = 0;
  std::memcpy(&first, response.originals().data().data(), sizeof(first));
  EXPECT_EQ(first, 48 / 300.f);
}

TEST_F(GenerateCodecTest, EightBitNamesTheImagesThatAreOffTheLattice) {
  auto images = std::make_shared<Dataset>(*MakeImages());
  images->images = images->images.to(at::kFloat).div(300);
  dataset_ = images;
  request_.clear_images();
  request_.set_eight_bit(true);
  request_.mutable_dataset_images()->add_indices(4);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("dataset_images.indices",
                               HasSubstr("no multiples of 1/255"))));
}

// Of its own image of the target class, the first question; noise, which one's
// own images have alone, is worth a warning.
TEST_F(GenerateCodecTest, DecisionsLeadToATargetFromTheDataSetsImages) {
  auto images = std::make_shared<Dataset>(*MakeImages());
  for (int64_t i = 0; i < 6; ++i) images->images[i][i % 3].fill_(200);
  dataset_ = images;
  request_.mutable_attack()->mutable_hop_skip_jump()->set_queries(2);
  request_.set_norm(v1::NORM_L2);
  request_.mutable_epsilon()->set_pixels(3);
  v1::TargetedGoal& goal = *request_.mutable_goal()->mutable_targeted();
  goal.set_rule(v1::TARGET_RULE_FIXED);
  goal.set_target_class(0);
  v1::GenerateAdversarialRequest own = request_;
  request_.clear_images();
  for (int index : {4, 2, 1}) {
    request_.mutable_dataset_images()->add_indices(index);
  }
  const auto respond = [this] {
    const auto task = Decode();
    EXPECT_TRUE(task.ok()) << task.status();
    const auto found = Perturb(*task, [] { return absl::OkStatus(); });
    EXPECT_TRUE(found.ok()) << found.status();
    v1::GenerateAdversarialResponse response;
    EncodeGenerate(request_, *task, *found, &response);
    return response;
  };
  const v1::GenerateAdversarialResponse response = respond();
  ASSERT_EQ(response.results_size(), 3);
  for (const v1::AdversarialResult& result : response.results()) {
    EXPECT_TRUE(result.record().success());
  }
  EXPECT_THAT(response.warnings(), IsEmpty());

  std::swap(request_, own);
  for (int i = 0; i < 2; ++i) request_.add_labels(1);
  dataset_.reset();
  EXPECT_THAT(respond().warnings(), ElementsAre(HasSubstr("noise alone")));
}

TEST_F(GenerateCodecTest, ImagesOfADataSetMustBeThere) {
  dataset_ = MakeImages();
  request_.mutable_dataset_images()->add_indices(6);
  request_.add_sample_indices(1);
  request_.add_sample_indices(2);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("images", HasSubstr("absent with dataset_images")),
                  Pair("dataset_images.indices[0]",
                       AllOf(HasSubstr("is 6"), HasSubstr("0 to 5"))),
                  Pair("sample_indices", HasSubstr("has 2 entries"))));
  request_.clear_images();
  request_.clear_sample_indices();
  request_.mutable_dataset_images()->clear_indices();
  EXPECT_THAT(Violations(), ElementsAre(Pair("dataset_images.indices",
                                             HasSubstr("must have 1 to"))));
  auto other = std::make_shared<Dataset>(*MakeImages());
  other->class_names.pop_back();
  dataset_ = other;
  request_.mutable_dataset_images()->add_indices(0);
  EXPECT_THAT(Violations(), ElementsAre(Pair("dataset_images.dataset",
                                             HasSubstr("other images"))));
}

}  // namespace
}  // namespace adv
