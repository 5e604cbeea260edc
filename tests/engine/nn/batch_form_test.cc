#include "engine/nn/batch_form.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace adv {
namespace {

using ::testing::ElementsAre;

class BatchFormTest : public ::testing::Test {
 protected:
  // Ten times each row, by calls of that form.
  at::Tensor Tenfold(int64_t rows, const BatchForm& form) {
    return InBatches(at::arange(rows, at::kFloat).view({rows, 1}), form,
                     [this](const at::Tensor& part) {
                       sizes_.push_back(part.size(0));
                       return absl::StatusOr<at::Tensor>(part * 10);
                     })
        .value();
  }
  static at::Tensor Expected(int64_t rows) {
    return at::arange(rows, at::kFloat).mul(10).view({rows, 1});
  }

  std::vector<int64_t> sizes_;
};

TEST_F(BatchFormTest, LargeCallsAreSplit) {
  EXPECT_TRUE(Tenfold(10, {4}).equal(Expected(10)));
  EXPECT_THAT(sizes_, ElementsAre(4, 4, 2));
}

TEST_F(BatchFormTest, WhatFitsIsOneCall) {
  EXPECT_TRUE(Tenfold(3, {4}).equal(Expected(3)));
  EXPECT_THAT(sizes_, ElementsAre(3));
}

TEST_F(BatchFormTest, AFixedNumberIsFilledUp) {
  EXPECT_TRUE(Tenfold(5, {100, 3}).equal(Expected(5)));
  EXPECT_THAT(sizes_, ElementsAre(3, 3));
}

TEST_F(BatchFormTest, TheFirstErrorEndsIt) {
  int calls = 0;
  const auto found =
      InBatches(at::zeros({9, 1}), {2}, [&](const at::Tensor& part) {
        return ++calls < 2 ? absl::StatusOr<at::Tensor>(part)
                           : absl::UnavailableError("gone");
      });
  EXPECT_EQ(found.status().message(), "gone");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace adv
