#include "engine/nn/preprocessing.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <limits>
#include <string>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PreprocessingTest, NothingIsDoneByDefault) {
  const at::Tensor images = at::rand({2, 3, 4, 5});
  EXPECT_TRUE(Preprocess(images, {}).equal(images));
}

TEST(PreprocessingTest, EachChannelIsScaledShiftedAndDivided) {
  const at::Tensor images =
      at::tensor({.2F, .4F, .6F}).view({1, 3, 1, 1}).expand({2, 3, 2, 2});
  const Preprocessing preprocessing{255, {1, 2, 3}, {2, 4, 5}, /*bgr=*/true};
  // Blue first: (153 - 1) / 2, (102 - 2) / 4, (51 - 3) / 5.
  const at::Tensor expected =
      at::tensor({76.F, 25.F, 9.6F}).view({1, 3, 1, 1}).expand({2, 3, 2, 2});
  EXPECT_TRUE(Preprocess(images, preprocessing).allclose(expected, 1e-6));
}

TEST(PreprocessingTest, EveryViolationIsNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const absl::Status status =
      Validate(Preprocessing{0, {1, 2}, {1, nan, -1}, true}, 1);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("preprocessing.range"),
                    HasSubstr("preprocessing.mean: has 2 values"),
                    HasSubstr("preprocessing.std: has 3 values"),
                    HasSubstr("not finite"), HasSubstr("above 0"),
                    HasSubstr("BGR needs 3 channels, not 1")));
  EXPECT_TRUE(Validate(Preprocessing{255, {1}, {2}, false}, 1).ok());
}

}  // namespace
}  // namespace adv
