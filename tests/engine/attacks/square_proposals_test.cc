// The candidates of the Square attack against the paper's algorithms 2 and 3.
#include "engine/attacks/square_proposals.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

constexpr double kHalfRange = 0.25;

struct Corner {
  int64_t top, left;
};

// All places of a square in an image of height x width.
std::vector<Corner> Corners(int64_t height, int64_t width, int64_t side) {
  std::vector<Corner> corners;
  for (int64_t top = 0; top + side <= height; ++top) {
    for (int64_t left = 0; left + side <= width; ++left) {
      corners.push_back({top, left});
    }
  }
  return corners;
}

// The square there, a view of `values` [channels, height, width].
at::Tensor Square(const at::Tensor& values, const Corner& corner,
                  int64_t side) {
  return values.narrow(1, corner.top, side).narrow(2, corner.left, side);
}

RandomWords WordsOf(uint32_t draw) {
  return {{7, RandomPurpose::kProposal, 0, draw}, 3};
}

// Grey images, so that the box is far, and what was changed in them.
class SquareProposalsTest : public ::testing::Test {
 protected:
  void Make(Norm norm, at::IntArrayRef shape) {
    originals_ = at::full(shape, 0.5, at::kFloat).unsqueeze(0);
    proposals_ = MakeSquareProposals(originals_, {norm, kHalfRange}, false);
  }
  at::Tensor Change() const {
    return (proposals_->images().to(at::kDouble) - 0.5)[0];
  }
  // Which of `allowed` [K, channels, height, width] the candidates of many
  // draws are, each taken back again.
  std::set<int64_t> Drawn(const at::Tensor& allowed, double share,
                          uint32_t draws) const {
    const at::Tensor before = proposals_->images().clone();
    std::set<int64_t> drawn;
    for (uint32_t draw = 0; draw < draws; ++draw) {
      proposals_->Propose(0, share, WordsOf(draw));
      const auto [error, which] =
          (allowed - Change()).abs().amax({1, 2, 3}).min(0);
      EXPECT_LT(error.item<double>(), 1e-6) << Change();
      drawn.insert(which.item<int64_t>());
      proposals_->TakeBack(0);
      EXPECT_TRUE(proposals_->images().equal(before));
    }
    return drawn;
  }

  at::Tensor originals_;
  std::unique_ptr<SquareProposals> proposals_;
};

// Algorithm 2: one of +-epsilon for each channel of the square.
TEST_F(SquareProposalsTest, LinfHasOneSignForEachChannelOfASquare) {
  Make(Norm::kLinf, {2, 4, 5});
  proposals_->Start(0, WordsOf(0));
  const at::Tensor start = Change();
  std::vector<at::Tensor> allowed;
  for (const Corner& corner : Corners(4, 5, 2)) {
    for (const double first : {-kHalfRange, kHalfRange}) {
      for (const double second : {-kHalfRange, kHalfRange}) {
        const at::Tensor candidate = start.clone();
        Square(candidate, corner, 2)[0].fill_(first);
        Square(candidate, corner, 2)[1].fill_(second);
        // The reference draws signs again that change nothing.
        if (!candidate.equal(start)) allowed.push_back(candidate);
      }
    }
  }
  EXPECT_EQ(Drawn(at::stack(allowed), 4.0 / 20, 1000).size(), allowed.size());
}

// Of side 3, by hand: a bump of 1x3 pixels over one of 2x3, both of length 1.
at::Tensor Bumps() {
  const double upper = std::sqrt(2 * (2 * 0.25 * 0.25 + 1.25 * 1.25));
  const double lower = std::sqrt(2 * (5 * 0.25 * 0.25 + 1.25 * 1.25));
  return at::tensor({0.25 / upper, 1.25 / upper, 0.25 / upper,     //
                     -0.25 / lower, -0.25 / lower, -0.25 / lower,  //
                     -0.25 / lower, -1.25 / lower, -0.25 / lower},
                    at::kDouble)
      .view({3, 3});
}

at::Tensor LengthOfChannels(const at::Tensor& values) {
  return values.square().sum({1, 2}, /*keepdim=*/true).sqrt();
}

// Lines 4 to 10 of algorithm 3: W1 is the square at `target`, W2 the one at
// `source`, `bumps` [channels, 3, 3] is rho eta for each channel.
at::Tensor AlgorithmThree(const at::Tensor& change, const Corner& target,
                          const Corner& source, const at::Tensor& bumps) {
  const at::Tensor both = at::zeros_like(change);
  Square(both, target, 3).fill_(1);
  Square(both, source, 3).fill_(1);
  const double unused =
      kHalfRange * kHalfRange - change.square().sum().item<double>();
  const at::Tensor available =
      (LengthOfChannels(change * both).square() + unused / change.size(0))
          .sqrt();
  const at::Tensor old = Square(change, target, 3);
  const at::Tensor direction =
      bumps + old / LengthOfChannels(old).clamp_min(1e-12);
  const at::Tensor candidate = change.clone();
  Square(candidate, source, 3).zero_();
  Square(candidate, target, 3)
      .copy_(direction / LengthOfChannels(direction) * available);
  return candidate;
}

TEST_F(SquareProposalsTest, L2MovesLengthFromOneSquareToAnother) {
  Make(Norm::kL2, {2, 7, 4});
  // Somewhat shorter than epsilon, as what the box has cut, and nothing at all
  // in a part of a channel.
  at::Tensor state = Normal({1, 2, 7, 4}, 40);
  state[0][0].narrow(0, 4, 3).zero_();
  state.mul_(0.8 * kHalfRange / state.norm());
  proposals_->images().copy_(originals_ + state);
  const at::Tensor change = Change();
  const at::Tensor upright = Bumps();
  std::vector<at::Tensor> allowed;
  for (const Corner& target : Corners(7, 4, 3)) {
    for (const Corner& source : Corners(7, 4, 3)) {
      for (const at::Tensor& bumps : {upright, upright.t()}) {
        for (const double sign : {1.0, -1.0}) {
          allowed.push_back(AlgorithmThree(change, target, source,
                                           at::stack({bumps, sign * bumps})));
          allowed.push_back(AlgorithmThree(change, target, source,
                                           at::stack({-bumps, sign * bumps})));
        }
      }
    }
  }
  const std::set<int64_t> drawn = Drawn(at::stack(allowed), 0.01, 1000);
  std::set<int64_t> squares, shapes;
  for (const int64_t which : drawn) {
    squares.insert(which / 8);
    shapes.insert(which % 8);
  }
  EXPECT_EQ(squares.size(), 100u);
  EXPECT_EQ(shapes.size(), 8u);
}

// How many rows of the image a candidate of `share` changes.
int64_t SideOf(SquareProposals& proposals, double share) {
  const at::Tensor before = proposals.images().clone();
  proposals.Propose(0, share, WordsOf(1));
  const int64_t rows =
      proposals.images().ne(before)[0][0].any(1).sum().item<int64_t>();
  proposals.TakeBack(0);
  return rows;
}

std::vector<int64_t> SidesOf(SquareProposals& proposals) {
  std::vector<int64_t> sides;
  for (double share = 0.8; share > 0.001; share /= 2) {
    sides.push_back(SideOf(proposals, share));
  }
  return sides;
}

// The root of share x 1024: 28.6, 20.2, 14.3, 10.1, 7.2, 5.1, 3.6, 2.5, 1.8 and
// 1.3, to the nearest; the reference's L2 squares are odd and at least 3.
TEST_F(SquareProposalsTest, SidesAreTheRootOfTheShare) {
  Make(Norm::kLinf, {1, 32, 32});
  proposals_->Start(0, WordsOf(0));
  EXPECT_EQ(SidesOf(*proposals_),
            std::vector<int64_t>({29, 20, 14, 10, 7, 5, 4, 3, 2, 1}));
  Make(Norm::kL2, {1, 32, 32});
  EXPECT_EQ(SidesOf(*proposals_),
            std::vector<int64_t>({29, 21, 15, 11, 7, 5, 5, 3, 3, 3}));
}

}  // namespace
}  // namespace adv
