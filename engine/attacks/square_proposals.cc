#include "engine/attacks/square_proposals.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "engine/attacks/ball.h"
#include "engine/attacks/layout.h"

namespace adv {
namespace {

// A square, somewhere in an image.
struct Window {
  int64_t top = 0, left = 0, side = 0;

  bool Has(int64_t y, int64_t x) const {
    return y >= top && y < top + side && x >= left && x < left + side;
  }
};

Window DrawWindow(int64_t side, int64_t height, int64_t width,
                  RandomWords& words) {
  Window window;
  window.side = side;
  window.top = words.Below(height - side + 1);
  window.left = words.Below(width - side + 1);
  return window;
}

class LinfProposals final : public SquareProposals {
 public:
  LinfProposals(const at::Tensor& originals, const ThreatModel& threat_model,
                bool eight_bit)
      : SquareProposals(originals),
        lower_(images_ - threat_model.epsilon),
        upper_(images_ + threat_model.epsilon),
        windows_(images_.size(0)),
        before_(images_.size(0)) {
    // Ball and lattice cut the ends once, so no candidate needs it.
    const Ball ball(images_, threat_model, {true, eight_bit});
    ball.Project(lower_);
    ball.Project(upper_);
    lower_ = ball.Snap(lower_);
    upper_ = ball.Snap(upper_);
  }

  void Start(int64_t row, RandomWords words) override {
    float* image = Row(row);
    for (int64_t channel = 0; channel < channels_; ++channel) {
      for (int64_t x = 0; x < width_; ++x) {
        // One end for all pixels of a column makes a stripe.
        const float* end = Row(words.Flip() ? upper_ : lower_, row);
        for (int64_t y = 0; y < height_; ++y) {
          const int64_t at = PixelAt(y, x) + channel;
          image[at] = end[at];
        }
      }
    }
  }

  void Propose(int64_t row, double share, RandomWords words) override {
    const double area = share * static_cast<double>(height_ * width_);
    const int64_t side = std::clamp<int64_t>(std::lround(std::sqrt(area)), 1,
                                             std::min(height_, width_));
    windows_[row] = DrawWindow(side, height_, width_, words);
    std::vector<float>& before = before_[row];
    before.resize(channels_ * side * side);
    float* image = Row(row);
    CopyWindow(windows_[row],
               [&](int64_t at, int64_t packed) { before[packed] = image[at]; });
    // As in the reference, signs that change nothing are drawn again. The
    // number of tries is limited because in an empty ball no sign changes
    // anything.
    constexpr int kTries = 16;
    bool changed = false;
    for (int i = 0; i < kTries && !changed; ++i) {
      changed = WriteSigns(row, words);
    }
  }

  void TakeBack(int64_t row) override {
    float* image = Row(row);
    CopyWindow(windows_[row], [&](int64_t at, int64_t packed) {
      image[at] = before_[row][packed];
    });
  }

 private:
  // Calls copy(index in the image, index in the window) for each value.
  template <typename Copy>
  void CopyWindow(const Window& window, Copy copy) const {
    const int64_t length = window.side * channels_;
    for (int64_t y = 0; y < window.side; ++y) {
      const int64_t start = PixelAt(window.top + y, window.left);
      for (int64_t i = 0; i < length; ++i) copy(start + i, y * length + i);
    }
  }

  // Draws one end for each channel and writes it to the channel's values in the
  // window. Returns whether any value changed.
  bool WriteSigns(int64_t row, RandomWords& words) {
    std::vector<const float*> ends(channels_);
    for (const float*& end : ends) {
      end = Row(words.Flip() ? upper_ : lower_, row);
    }
    float* image = Row(row);
    bool changed = false;
    CopyWindow(windows_[row], [&](int64_t at, int64_t packed) {
      image[at] = ends[at % channels_][at];
      changed |= image[at] != before_[row][packed];
    });
    return changed;
  }

  at::Tensor lower_, upper_;                // the ends for a pixel
  std::vector<Window> windows_;             // of the last candidates
  std::vector<std::vector<float>> before_;  // their windows' values before
};

// Adds one of the two opposite bumps: nested rectangles around the middle of
// `height` x `side` pixels, of which number n adds 1 / (n + 1)^2.
void AddBump(int64_t top, int64_t height, int64_t side, double sign,
             std::vector<double>& values) {
  const int64_t middle_y = height / 2, middle_x = side / 2;
  for (int64_t n = 0; n <= std::max(middle_y, middle_x); ++n) {
    const int64_t bottom = std::min(middle_y + n + 1, height);
    const int64_t right = std::min(middle_x + n + 1, side);
    for (int64_t y = std::max<int64_t>(middle_y - n, 0); y < bottom; ++y) {
      for (int64_t x = std::max<int64_t>(middle_x - n, 0); x < right; ++x) {
        values[(top + y) * side + x] +=
            sign / static_cast<double>((n + 1) * (n + 1));
      }
    }
  }
}

double LengthOf(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

// Scales `values` to `length`; a zero vector stays zero.
void ScaleTo(double length, std::vector<double>& values) {
  const double before = LengthOf(values);
  if (before < 1e-12) return;
  for (double& value : values) value *= length / before;
}

// The update of the paper's figure 2: in a square, a bump above an opposite
// one, at length 1.
std::vector<double> Bumps(int64_t side) {
  std::vector<double> values(side * side);
  std::vector<double> half = values;
  const int64_t above = side / 2;
  if (above > 0) AddBump(0, above, side, 1, half);
  ScaleTo(1, half);
  AddBump(above, side - above, side, -1, values);
  ScaleTo(1, values);
  for (size_t i = 0; i < values.size(); ++i) values[i] += half[i];
  ScaleTo(1, values);
  return values;
}

class L2Proposals final : public SquareProposals {
 public:
  L2Proposals(const at::Tensor& originals, double epsilon)
      : SquareProposals(originals),
        epsilon_(epsilon),
        originals_(AsNetworksCompute(originals)),
        before_(at::empty_like(images_)),
        change_(channels_ * height_ * width_) {}

  void Start(int64_t row, RandomWords words) override {
    const int64_t side = std::max<int64_t>(std::min(height_, width_) / 5, 1);
    // Whole squares alone, in the middle of the image.
    const int64_t down = height_ / side, across = width_ / side;
    std::fill(change_.begin(), change_.end(), 0.0);
    for (int64_t i = 0; i < down * across; ++i) {
      const Window window = {(height_ - down * side) / 2 + i / across * side,
                             (width_ - across * side) / 2 + i % across * side,
                             side};
      const bool turned = words.Flip();
      for (int64_t channel = 0; channel < channels_; ++channel) {
        Write(window, channel, SignedBumps(side, turned, words));
      }
    }
    WriteImage(row);
  }

  void Propose(int64_t row, double share, RandomWords words) override {
    const float* original = Row(originals_, row);
    const float* image = Row(row);
    std::copy_n(image, change_.size(), Row(before_, row));
    for (size_t i = 0; i < change_.size(); ++i) {
      change_[i] = static_cast<double>(image[i]) - original[i];
    }
    const int64_t side = SideOf(share);
    // The square that is changed, and the square that gives up its length for
    // it.
    const Window target = DrawWindow(side, height_, width_, words);
    const Window source = DrawWindow(side, height_, width_, words);
    const bool turned = words.Flip();
    const double length = LengthOf(change_);
    // Rounding can bring the length a little over epsilon.
    const double spare =
        std::max(epsilon_ * epsilon_ - length * length, 0.0) / channels_;
    for (int64_t channel = 0; channel < channels_; ++channel) {
      // Algorithm 3: the target gets the length of both squares and an equal
      // share, for each channel, of what the ball has left.
      const double taken = SquaresIn(target, source, channel);
      std::vector<double> updated = Read(target, channel);
      ScaleTo(1, updated);
      const std::vector<double> bumps = SignedBumps(side, turned, words);
      for (size_t i = 0; i < updated.size(); ++i) updated[i] += bumps[i];
      ScaleTo(std::sqrt(spare + taken), updated);
      // The source comes first, because the target wins where they overlap.
      Write(source, channel, std::vector<double>(side * side));
      Write(target, channel, updated);
    }
    WriteImage(row);
  }

  void TakeBack(int64_t row) override {
    std::copy_n(Row(before_, row), change_.size(), Row(row));
  }

 private:
  // The side is odd and at least 3, unless the image is too small for that.
  int64_t SideOf(double share) const {
    const double area = share * static_cast<double>(height_ * width_);
    const int64_t side = std::max<int64_t>(std::lround(std::sqrt(area)), 3);
    return std::min(side + (side % 2 == 0 ? 1 : 0), std::min(height_, width_));
  }

  // The bumps of one channel, turned as the draw says, with a sign that is
  // drawn for this channel.
  std::vector<double> SignedBumps(int64_t side, bool turned,
                                  RandomWords& words) {
    // Few sides occur in a search, and each one's bumps are computed once.
    std::vector<double>& upright = bumps_[side];
    if (upright.empty()) upright = Bumps(side);
    const double sign = words.Flip() ? 1 : -1;
    std::vector<double> bumps(upright.size());
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        bumps[y * side + x] =
            sign * upright[turned ? x * side + y : y * side + x];
      }
    }
    return bumps;
  }

  double& At(int64_t channel, int64_t y, int64_t x) {
    return change_[PixelAt(y, x) + channel];
  }

  std::vector<double> Read(const Window& window, int64_t channel) {
    std::vector<double> values(window.side * window.side);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = At(channel, window.top + i / window.side,
                     window.left + i % window.side);
    }
    return values;
  }

  void Write(const Window& window, int64_t channel,
             const std::vector<double>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      At(channel, window.top + i / window.side, window.left + i % window.side) =
          values[i];
    }
  }

  // The sum of squares in the union of both.
  double SquaresIn(const Window& a, const Window& b, int64_t channel) {
    double sum = 0;
    for (double value : Read(a, channel)) sum += value * value;
    for (int64_t y = b.top; y < b.top + b.side; ++y) {
      for (int64_t x = b.left; x < b.left + b.side; ++x) {
        const double value = At(channel, y, x);
        if (!a.Has(y, x)) sum += value * value;
      }
    }
    return sum;
  }

  // Writes the image: the original plus the change at the length of epsilon,
  // clipped to the box.
  void WriteImage(int64_t row) {
    ScaleTo(epsilon_, change_);
    const float* original = Row(originals_, row);
    float* image = Row(row);
    for (size_t i = 0; i < change_.size(); ++i) {
      image[i] =
          static_cast<float>(std::clamp(original[i] + change_[i], 0.0, 1.0));
    }
  }

  const double epsilon_;
  const at::Tensor originals_;
  const at::Tensor before_;     // the images that candidates came from
  std::vector<double> change_;  // of the image in work
  std::map<int64_t, std::vector<double>> bumps_;  // upright, by side
};

}  // namespace

SquareProposals::SquareProposals(const at::Tensor& originals)
    : channels_(originals.size(1)),
      height_(originals.size(2)),
      width_(originals.size(3)),
      images_(originals.clone(at::MemoryFormat::ChannelsLast)) {}

float* SquareProposals::Row(const at::Tensor& images, int64_t row) const {
  return images.data_ptr<float>() + row * channels_ * height_ * width_;
}

std::unique_ptr<SquareProposals> MakeSquareProposals(
    const at::Tensor& originals, const ThreatModel& threat_model,
    bool eight_bit) {
  // Candidates are written value by value, which is slow on another device.
  const at::Tensor on_cpu = originals.cpu();
  if (threat_model.norm == Norm::kL2) {
    return std::make_unique<L2Proposals>(on_cpu, threat_model.epsilon);
  }
  return std::make_unique<LinfProposals>(on_cpu, threat_model, eight_bit);
}

}  // namespace adv
