#include "engine/data/imbalance.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <random>

#include "engine/data/sampling.h"

namespace adv {
namespace {

// Whether the recipe removes images of the class `label`.
bool IsCut(const ImbalanceRecipe& recipe, int64_t label) {
  switch (recipe.kind) {
    case ImbalanceRecipe::Kind::kBalanced:
      return false;
    case ImbalanceRecipe::Kind::kNo:
      return label == recipe.label;
    case ImbalanceRecipe::Kind::kOnly:
      return label != recipe.label;
  }
  return false;
}

// All recipes in the order of ImbalanceRecipeNames, each with the seed 0.
std::vector<ImbalanceRecipe> AllRecipes(
    const std::vector<std::string>& class_names) {
  // The first is the default one, balanced.
  std::vector<ImbalanceRecipe> recipes(1);
  const auto append = [&](ImbalanceRecipe::Kind kind, const char* prefix) {
    for (size_t label = 0; label < class_names.size(); ++label) {
      recipes.push_back({kind, static_cast<int64_t>(label),
                         absl::StrCat(prefix, class_names[label]), 0});
    }
  };
  append(ImbalanceRecipe::Kind::kNo, "no-");
  append(ImbalanceRecipe::Kind::kOnly, "only-");
  return recipes;
}

}  // namespace

absl::StatusOr<ImbalanceRecipe> ParseImbalanceRecipe(
    absl::string_view name, const std::vector<std::string>& class_names,
    uint64_t seed) {
  for (ImbalanceRecipe& recipe : AllRecipes(class_names)) {
    if (recipe.name != name) continue;
    recipe.seed = seed;
    return recipe;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "imbalance recipe \"", name, "\" is not known: must be one of ",
      absl::StrJoin(ImbalanceRecipeNames(class_names), ", ")));
}

std::vector<std::string> ImbalanceRecipeNames(
    const std::vector<std::string>& class_names) {
  std::vector<std::string> names;
  for (const ImbalanceRecipe& recipe : AllRecipes(class_names)) {
    names.push_back(recipe.name);
  }
  return names;
}

absl::StatusOr<std::vector<int64_t>> ApplyImbalance(
    const at::Tensor& labels, const ImbalanceRecipe& recipe) {
  auto by_label = IndicesByLabel(labels);
  if (recipe.kind != ImbalanceRecipe::Kind::kBalanced) {
    by_label[recipe.label];  // A class without images is too small to be cut.
  }
  // Only classes that are cut draw from it, in the order of labels.
  std::mt19937_64 random(recipe.seed);
  std::vector<int64_t> kept;
  for (auto& [label, indices] : by_label) {
    if (IsCut(recipe, label)) {
      const auto size = static_cast<int64_t>(indices.size());
      if (size < kReducedClassSize) {
        return absl::FailedPreconditionError(absl::StrCat(
            "recipe ", recipe.name, " keeps ", kReducedClassSize,
            " images of class ", label, ", which has only ", size));
      }
      indices = Choose(std::move(indices), kReducedClassSize, &random);
    }
    kept.insert(kept.end(), indices.begin(), indices.end());
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace adv
