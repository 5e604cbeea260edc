// DeepFool, Carlini-Wagner and FAB written once more, for one image, in double
// and as plainly as can be: first a second opinion on the product, then, with
// one thing wrong each, mutants that a property must catch.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/engine/attacks/nearest.h"

namespace adv {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Faults {
  bool overshoot_each_step = false;  // DeepFool, not of their sum
  bool forgets_steps = false;        // DeepFool does not accumulate
  bool finite_mask = false;          // Carlini-Wagner: -10000
  bool keeps_adam = false;           // from one search to the next
  bool no_backward_step = false;     // FAB
  bool no_box = false;               // in FAB's projection
};

// An image that fools, and how far it is; infinite: none.
struct Found {
  at::Tensor image;
  double size = kInfinity;

  void Offer(const at::Tensor& other, double other_size) {
    if (other_size >= size) return;
    image = other;
    size = other_size;
  }
};

// One network, one image [channels, height, width] in double, one label.
struct Problem {
  const Network& network;
  at::Tensor original;
  int64_t label;
  Norm norm;

  double SizeOf(const at::Tensor& image) const {
    const at::Tensor change = (image - original).flatten();
    return norm == Norm::kLinf ? change.abs().max().item<double>()
                               : change.norm().item<double>();
  }
  at::Tensor LogitsOf(const at::Tensor& image) const {
    const at::Tensor batch = image.to(at::kFloat).unsqueeze(0);
    return network.Logits(batch).value()[0].to(at::kDouble);
  }
  bool Fooled(const at::Tensor& image) const {
    return LogitsOf(image).argmax().item<int64_t>() != label;
  }
  // Of the logits' sum, weighted.
  at::Tensor GradientOf(const at::Tensor& image,
                        const at::Tensor& weights) const {
    const auto weighted = [&](const at::Tensor&) {
      return weights.to(at::kFloat).unsqueeze(0);
    };
    const at::Tensor batch = image.to(at::kFloat).unsqueeze(0);
    return network.InputGradient(batch, weighted)->gradient[0].to(at::kDouble);
  }
};

// The nearest plane: value and gradient of the margin.
struct Plane {
  double value = 0;
  at::Tensor w;
};

at::Tensor OneHot(int64_t one, int64_t classes) {
  return at::eye(classes, at::kDouble)[one];
}

double DualSize(const at::Tensor& w, Norm norm) {
  return norm == Norm::kLinf ? w.abs().sum().item<double>()
                             : w.norm().item<double>();
}

Plane NearestPlane(const Problem& problem, const at::Tensor& image) {
  const at::Tensor logits = problem.LogitsOf(image);
  const int64_t classes = logits.size(0);
  Plane nearest;
  double distance = kInfinity;
  for (int64_t k = 0; k < classes; ++k) {
    if (k == problem.label) continue;
    const Plane plane{
        (logits[k] - logits[problem.label]).item<double>(),
        problem.GradientOf(
            image, OneHot(k, classes) - OneHot(problem.label, classes))};
    const double to = std::abs(plane.value) / DualSize(plane.w, problem.norm);
    if (to < distance) {
      distance = to;
      nearest = plane;
    }
  }
  return nearest;
}

Found DeepFool(const Problem& problem, const Faults& faults,
               double overshoot = 0.02) {
  at::Tensor image = problem.original, beyond = image;
  at::Tensor moved = at::zeros_like(image);
  Found found;
  for (int64_t n = 0; n < 50 && !problem.Fooled(beyond); ++n) {
    Plane plane = NearestPlane(problem, image);
    const at::Tensor ahead = image + plane.w.sign() * 1e-12;
    plane.w = plane.w * ahead.ge(0) * ahead.le(1);  // what the box stops
    const double slope = DualSize(plane.w, problem.norm);
    at::Tensor step = problem.norm == Norm::kLinf
                          ? plane.w.sign() * (std::abs(plane.value) / slope)
                          : plane.w * (std::abs(plane.value) / slope / slope);
    if (faults.overshoot_each_step) step = step * (1 + overshoot);
    moved = faults.forgets_steps ? step : moved + step;
    image = (problem.original + moved).clamp(0, 1);
    beyond = faults.overshoot_each_step
                 ? image
                 : (problem.original + moved * (1 + overshoot)).clamp(0, 1);
  }
  if (problem.Fooled(beyond)) found.Offer(beyond, problem.SizeOf(beyond));
  return found;
}

struct Adam {
  at::Tensor variable, mean, square;
};

// Whether a search from `adam` with the constant `c` succeeded.
bool Search(const Problem& problem, const CarliniWagnerConfig& config, double c,
            const Faults& faults, Adam& adam, Found& found) {
  double last_loss = kInfinity;
  bool succeeded = false;
  for (int64_t n = 1; n <= config.steps; ++n) {
    const at::Tensor tanh = adam.variable.tanh();
    const at::Tensor image = (tanh + 1) / 2;
    const at::Tensor logits = problem.LogitsOf(image);
    at::Tensor masked = logits.clone();
    masked[problem.label] = faults.finite_mask ? -10000 : -kInfinity;
    const double f = (logits[problem.label] - masked.max()).item<double>();
    if (problem.Fooled(image)) {
      succeeded = true;
      found.Offer(image, problem.SizeOf(image));
    }
    const int64_t classes = logits.size(0);
    at::Tensor gradient = (image - problem.original) * 2;
    if (f > 0) {
      gradient =
          gradient +
          problem.GradientOf(
              image, OneHot(problem.label, classes) -
                         OneHot(masked.argmax().item<int64_t>(), classes)) *
              c;
    }
    gradient = gradient * (1 - tanh * tanh) / 2;
    adam.mean = adam.mean * 0.9 + gradient * 0.1;
    adam.square = adam.square * 0.999 + gradient * gradient * 0.001;
    const at::Tensor mean = adam.mean / (1 - std::pow(0.9, n));
    const at::Tensor square = adam.square / (1 - std::pow(0.999, n));
    adam.variable = adam.variable - mean / (square.sqrt() + 1e-8) *
                                        config.learning_rate.value();
    const double loss =
        std::pow(problem.SizeOf(image), 2) + c * std::max(f, 0.0);
    if ((n - 1) % (config.steps / 10) == 0) {
      if (loss > last_loss * 0.9999) break;
      last_loss = loss;
    }
  }
  return succeeded;
}

Found CarliniWagner(const Problem& problem, const CarliniWagnerConfig& config,
                    const Faults& faults) {
  const at::Tensor start = ((problem.original * 2 - 1) * 0.999999).atanh();
  Adam adam{start, at::zeros_like(start), at::zeros_like(start)};
  Found found;
  double c = config.initial_constant, lower = 0, upper = 1e10;
  for (int64_t n = 0; n < config.binary_search_steps; ++n) {
    if (!faults.keeps_adam) {
      adam = {start, at::zeros_like(start), at::zeros_like(start)};
    }
    const bool succeeded = Search(problem, config, c, faults, adam, found);
    (succeeded ? upper : lower) = c;
    c = upper < 1e10 ? (lower + upper) / 2 : c * 10;
  }
  return found;
}

// The nearest point of the plane inside the box, by bisection.
at::Tensor MoveOnto(const Plane& plane, double value, const at::Tensor& image,
                    const Problem& problem, const Faults& faults) {
  const at::Tensor way = plane.w.sign() * (value > 0 ? -1.0 : 1.0);
  const at::Tensor room = faults.no_box ? at::full_like(image, kInfinity)
                                        : at::where(way > 0, 1 - image, image);
  const at::Tensor speed =
      problem.norm == Norm::kLinf ? at::ones_like(image) : plane.w.abs();
  double low = 0, high = 1e4;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    const at::Tensor moves = at::min(speed * middle, room);
    const bool enough =
        (plane.w.abs() * moves).sum().item<double>() > std::abs(value);
    (enough ? high : low) = middle;
  }
  return way * at::min(speed * high, room);
}

// `visit` sees each iterate that fools, and where the next step sets out.
using Visit = std::function<void(const at::Tensor&, const at::Tensor&)>;

Found Fab(
    const Problem& problem, int64_t steps, const Faults& faults,
    const Visit& visit = [](const at::Tensor&, const at::Tensor&) {}) {
  const at::Tensor& original = problem.original;
  at::Tensor image = original;
  Found found;
  for (int64_t n = 0; n < steps; ++n) {
    const Plane plane = NearestPlane(problem, image);
    const double at_original =
        plane.value + (plane.w * (original - image)).sum().item<double>();
    const at::Tensor move =
        MoveOnto(plane, plane.value, image, problem, faults);
    const at::Tensor move_of_original =
        MoveOnto(plane, at_original, original, problem, faults);
    const double size = std::max(1e-8, problem.SizeOf(original + move));
    const double size_of_original =
        std::max(1e-8, problem.SizeOf(original + move_of_original));
    const double alpha = std::min(0.1, size / (size + size_of_original));
    image = ((image + move * 1.05) * (1 - alpha) +
             (original + move_of_original * 1.05) * alpha)
                .clamp(0, 1);
    if (!problem.Fooled(image)) continue;
    found.Offer(image, problem.SizeOf(image));
    const at::Tensor fooling = image;
    if (!faults.no_backward_step) image = original + (image - original) * 0.9;
    visit(fooling, image);
  }
  return found;
}

class MinimisingMutantsTest : public ::testing::Test {
 protected:
  static Problem At(const LinearToy& toy, const AttackBatch& batch, int64_t i,
                    Norm norm = Norm::kL2) {
    return {toy.network, batch.images[i].to(at::kDouble),
            batch.labels[i].item<int64_t>(), norm};
  }
  static Problem At(const SphereToy& sphere, int64_t i) {
    return {sphere.network, sphere.batch.images[i].to(at::kDouble), 0,
            Norm::kL2};
  }
  static CarliniWagnerConfig Config() {
    CarliniWagnerConfig config;
    config.learning_rate = 0.02;
    config.initial_constant = 1;
    config.binary_search_steps = 4;
    config.steps = 100;
    return config;
  }
  // The product finds the same, to `tolerance` of the distance.
  static void ExpectSame(const AttackConfig& config, const Found& found,
                         const Problem& problem, double tolerance) {
    AttackBatch batch;
    batch.images = problem.original.to(at::kFloat).unsqueeze(0);
    batch.labels = Longs({problem.label});
    const AttackResult product =
        FindNearest(config, problem.network, batch, problem.norm);
    EXPECT_NEAR(SizesIn(product, batch, problem.norm).item<double>(),
                found.size, tolerance * found.size);
  }

  const LinearToy toy_{111};
  const AttackBatch stark_ = toy_.Stark(5, 112, 0);
  const AttackBatch grey_ = toy_.Grey(5, 113);
};

TEST_F(MinimisingMutantsTest, WithoutFaultsTheyFindWhatTheProductFinds) {
  FabConfig fab;
  fab.steps = 12;
  const SphereToy sphere;
  for (int64_t i = 0; i < 5; ++i) {
    for (const Problem& problem : {At(toy_, stark_, i, Norm::kLinf),
                                   At(toy_, stark_, i), At(sphere, i)}) {
      ExpectSame(DeepFoolConfig{}, DeepFool(problem, {}), problem, 1e-3);
      ExpectSame(fab, Fab(problem, 12, {}), problem, 2e-3);
    }
    for (const Problem& problem : {At(toy_, grey_, i), At(sphere, i)}) {
      ExpectSame(Config(), CarliniWagner(problem, Config(), {}), problem, 0.01);
    }
  }
}

// DeepFool.OvershootsTheSumOfItsSteps, as a property: the last steps onto a
// curved boundary are so small that a share of them is lost in rounding.
TEST_F(MinimisingMutantsTest, OvershootOfEachStep) {
  const SphereToy sphere;
  const auto always_crosses = [&](const Faults& faults) {
    bool all = true;
    for (int64_t i = 0; i < 6; ++i) {
      all &= DeepFool(At(sphere, i), faults, 1e-4).size < kInfinity;
    }
    return all;
  };
  Faults faults;
  EXPECT_TRUE(always_crosses(faults));
  faults.overshoot_each_step = true;
  EXPECT_FALSE(always_crosses(faults));
}

TEST_F(MinimisingMutantsTest, StepsThatAreForgotten) {
  const SphereToy sphere;
  Faults faults;
  EXPECT_LT(DeepFool(At(sphere, 5), faults).size, 1.5 * 1.03);
  faults.forgets_steps = true;
  EXPECT_FALSE(DeepFool(At(sphere, 5), faults).size < 1.5 * 1.03);
}

// A constant added to all logits changes nothing, even a large one.
TEST_F(MinimisingMutantsTest, TrueClassMaskedWithAFiniteConstant) {
  const LinearToy plain(111, 5, 100), shifted(111, 5, 100, -30000);
  const auto finds_the_same = [&](const Faults& faults) {
    const double size =
        CarliniWagner(At(plain, grey_, 0), Config(), faults).size;
    const double shifted_size =
        CarliniWagner(At(shifted, grey_, 0), Config(), faults).size;
    return std::abs(shifted_size / size - 1) < 0.05;
  };
  Faults faults;
  EXPECT_TRUE(finds_the_same(faults));
  faults.finite_mask = true;
  EXPECT_FALSE(finds_the_same(faults));
  const AttackResult product =
      FindNearest(Config(), shifted.network, grey_, Norm::kL2);
  EXPECT_TRUE(product.success.all().item<bool>());
}

// CarliniWagner.AFailedSearchLeavesNoTrace, as a property.
TEST_F(MinimisingMutantsTest, AdamKeptFromOneSearchToTheNext) {
  const auto leaves_no_trace = [&](const Faults& faults) {
    CarliniWagnerConfig late = Config(), at_once = Config();
    late.binary_search_steps = 4;
    late.initial_constant = 3e-4;
    at_once.binary_search_steps = 1;
    at_once.initial_constant = 3e-4 * 10 * 10 * 10;
    const Problem problem = At(toy_, grey_, 0);
    return CarliniWagner(problem, late, faults)
        .image.equal(CarliniWagner(problem, at_once, faults).image);
  };
  Faults faults;
  EXPECT_TRUE(leaves_no_trace(faults));
  faults.keeps_adam = true;
  EXPECT_FALSE(leaves_no_trace(faults));
}

// After an image that fools, the next step sets out nearer to the original.
TEST_F(MinimisingMutantsTest, FabWithoutTheBackwardStep) {
  const auto goes_back = [&](const Faults& faults) {
    int64_t visits = 0;
    bool always = true;
    const Problem problem = At(toy_, grey_, 0);
    Fab(problem, 10, faults,
        [&](const at::Tensor& fooling, const at::Tensor& next) {
          ++visits;
          always &= problem.SizeOf(next) <= 0.91 * problem.SizeOf(fooling);
        });
    return always && visits > 1;
  };
  Faults faults;
  EXPECT_TRUE(goes_back(faults));
  faults.no_backward_step = true;
  EXPECT_FALSE(goes_back(faults));
}

// FabTest.OneStepIsEnoughOnALinearNetwork, as a property.
TEST_F(MinimisingMutantsTest, FabProjectionWithoutTheBox) {
  const LinearToy two(111, 2);
  const AttackBatch stark = two.Stark(5, 112, 0);
  const auto one_step_is_enough = [&](const Faults& faults) {
    bool all = true;
    for (Norm norm : {Norm::kLinf, Norm::kL2}) {
      const at::Tensor exact = ExactDistances(two, stark, norm);
      for (int64_t i = 0; i < 5; ++i) {
        all &= Fab(At(two, stark, i, norm), 1, faults).size <
               1.051 * exact[i].item<double>();
      }
    }
    return all;
  };
  Faults faults;
  EXPECT_TRUE(one_step_is_enough(faults));
  faults.no_box = true;
  EXPECT_FALSE(one_step_is_enough(faults));
}

}  // namespace
}  // namespace adv
