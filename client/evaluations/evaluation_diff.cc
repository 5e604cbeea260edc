#include "client/evaluations/evaluation_diff.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/records.h"

namespace adv {
namespace {

using google::protobuf::FieldDescriptor;

std::vector<Unlike> CompareSurroundings(const v1::Environment& a,
                                        const v1::Environment& b) {
  std::vector<Unlike> unlike;
  const auto add = [&unlike](const char* what, const std::string& of_a,
                             const std::string& of_b) {
    if (of_a != of_b) unlike.push_back({what, of_a, of_b});
  };
  add("device", a.device(), b.device());
  add("server version", a.server_version(), b.server_version());
  add("libraries", absl::StrJoin(a.libraries(), ", "),
      absl::StrJoin(b.libraries(), ", "));
  return unlike;
}

// The attacks that both have, each at the epsilons that both have.
std::vector<SharedAttack> FindShared(const v1::Evaluation& a,
                                     const v1::Evaluation& b) {
  SharedAttack clean;
  clean.name = "clean";
  std::vector<SharedAttack> shared = {clean};
  const v1::EvaluationSpec& ours = a.resolved().spec();
  const v1::EvaluationSpec& theirs = b.resolved().spec();
  const RecordNames names = NamesOf(a);
  for (int i = 0; i < ours.attacks_size(); ++i) {
    for (int j = 0; j < theirs.attacks_size(); ++j) {
      if (!SameAttack(ours.attacks(i), theirs.attacks(j))) continue;
      for (int e = 0; e < ours.epsilons_size(); ++e) {
        for (int f = 0; f < theirs.epsilons_size(); ++f) {
          if (!SameSize(ours.epsilons(e), theirs.epsilons(f))) continue;
          SharedAttack one;
          one.place_a = i * ours.epsilons_size() + e;
          one.place_b = j * theirs.epsilons_size() + f;
          one.name = names.attacks[one.place_a];
          one.epsilon = names.epsilons[one.place_a];
          one.epsilon_pixels = names.epsilons_pixels[one.place_a];
          shared.push_back(one);
        }
      }
    }
  }
  return shared;
}

// [B's number of a class] = A's number of it; empty if they need no change.
std::vector<int> Renumbering(const v1::EvaluationReport& a,
                             const v1::EvaluationReport& b) {
  std::vector<int> numbers;
  bool same = true;
  for (int i = 0; i < b.class_names_size(); ++i) {
    const auto found = std::find(a.class_names().begin(), a.class_names().end(),
                                 b.class_names(i));
    const bool known = found != a.class_names().end();
    numbers.push_back(known ? static_cast<int>(found - a.class_names().begin())
                            : i);
    same = same && numbers.back() == i;
  }
  return same ? std::vector<int>() : numbers;
}

void Renumber(const std::vector<int>& numbers, v1::EvaluationRecord* record) {
  // -1 stands for no target.
  const auto of = [&numbers](int label) {
    const bool known = label >= 0 && label < static_cast<int>(numbers.size());
    return known ? numbers[label] : label;
  };
  record->set_label(of(record->label()));
  record->set_prediction(of(record->prediction()));
  for (v1::AttackRecord& attack : *record->mutable_attacks()) {
    attack.set_target(of(attack.target()));
    attack.set_prediction(of(attack.prediction()));
  }
}

// What the record says of the attack at this place, or of the clean image. A
// record that a server cut short has nothing there.
v1::AttackRecord At(const v1::EvaluationRecord& record, int place) {
  if (place >= 0) {
    return place < record.attacks_size() ? record.attacks(place)
                                         : v1::AttackRecord();
  }
  v1::AttackRecord clean;
  clean.set_prediction(record.prediction());
  clean.set_confidence(record.confidence());
  clean.set_label_confidence(record.label_confidence());
  clean.set_success(record.prediction() != record.label());
  return clean;
}

bool StaysRight(const v1::EvaluationRecord& record,
                const v1::AttackRecord& attack) {
  return record.prediction() == record.label() &&
         attack.prediction() == record.label();
}

// The names of the fields that differ. Fields are compared as bytes, so that
// NaN equals NaN and a last bit counts.
std::vector<std::string> DifferingFields(const v1::AttackRecord& a,
                                         const v1::AttackRecord& b) {
  std::vector<std::string> names;
  for (int i = 0; i < a.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = a.GetDescriptor()->field(i);
    v1::AttackRecord changed = a, other = b;
    a.GetReflection()->SwapFields(&changed, &other, {field});
    if (changed.SerializeAsString() != a.SerializeAsString()) {
      names.push_back(field->name());
    }
  }
  return names;
}

void Raise(double a, double b, double* largest) {
  *largest = std::max(*largest, std::abs(a - b));
}

void Count(const v1::AttackRecord& a, bool right_in_a,
           const v1::AttackRecord& b, bool right_in_b, SharedAttack* shared) {
  ++(right_in_a ? (right_in_b ? shared->right_in_both : shared->only_in_a)
                : (right_in_b ? shared->only_in_b : shared->in_neither));
  if (a.prediction() != b.prediction()) ++shared->other_predictions;
  Raise(a.confidence(), b.confidence(), &shared->confidence);
  Raise(a.label_confidence(), b.label_confidence(), &shared->label_confidence);
  Raise(a.l2(), b.l2(), &shared->l2);
  Raise(a.linf(), b.linf(), &shared->linf);
}

// Compares what both found on one image.
void CompareImage(const v1::EvaluationRecord& a, const v1::EvaluationRecord& b,
                  EvaluationDiff* diff) {
  ++diff->images;
  bool differs = false;
  for (std::size_t i = 0; i < diff->attacks.size(); ++i) {
    SharedAttack& shared = diff->attacks[i];
    v1::AttackRecord of_a = At(a, shared.place_a);
    v1::AttackRecord of_b = At(b, shared.place_b);
    Count(of_a, StaysRight(a, of_a), of_b, StaysRight(b, of_b), &shared);
    if (of_a.SerializeAsString() == of_b.SerializeAsString()) continue;
    ++shared.differing;
    differs = true;
    diff->differences.push_back({a.index(), a.label(), i,
                                 DifferingFields(of_a, of_b), std::move(of_a),
                                 std::move(of_b)});
  }
  if (differs) ++diff->differing_images;
}

}  // namespace

EvaluationDiff CompareEvaluations(const v1::Evaluation& a,
                                  const v1::Evaluation& b) {
  EvaluationDiff diff;
  diff.a = a;
  diff.b = b;
  diff.settings = CompareSettings(a, b);
  diff.surroundings =
      CompareSurroundings(a.report().environment(), b.report().environment());
  diff.identical = !a.report().records_sha256().empty() &&
                   a.report().records_sha256() == b.report().records_sha256();
  diff.comparable =
      a.resolved().dataset_sha256() == b.resolved().dataset_sha256();
  return diff;
}

bool NeedsRecords(const EvaluationDiff& diff) {
  return !diff.identical && diff.comparable;
}

void CompareRecords(const std::vector<v1::EvaluationRecord>& a,
                    std::vector<v1::EvaluationRecord> b, EvaluationDiff* diff) {
  diff->attacks = FindShared(diff->a, diff->b);
  const auto numbers = Renumbering(diff->a.report(), diff->b.report());
  if (!numbers.empty()) {
    for (v1::EvaluationRecord& record : b) Renumber(numbers, &record);
  }
  auto ours = a.begin();
  auto theirs = b.begin();
  while (ours != a.end() && theirs != b.end()) {
    if (ours->index() < theirs->index()) {
      ++diff->images_only_in_a;
      ++ours;
    } else if (theirs->index() < ours->index()) {
      ++diff->images_only_in_b;
      ++theirs;
    } else {
      CompareImage(*ours++, *theirs++, diff);
    }
  }
  diff->images_only_in_a += a.end() - ours;
  diff->images_only_in_b += b.end() - theirs;
}

}  // namespace adv
