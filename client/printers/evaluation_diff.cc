#include "client/printers/evaluation_diff.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/records.h"
#include "client/printers/result_view.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

constexpr std::size_t kWhatWidth = 16;
// Fields of a record that a line names; the others are counted.
constexpr std::size_t kNamedFields = 3;

std::string Header(const EvaluationDiff& diff, const DiffPlaces& places,
                   const Style& style) {
  Table table({{""},
               {"evaluation"},
               {"model"},
               {"images", true},
               {"finished (UTC)"},
               {"server"}});
  const auto add = [&table](const char* side, const v1::Evaluation& evaluation,
                            const std::string& place) {
    table.AddRow({side, ShortId(evaluation.id()),
                  ModelText(evaluation.resolved().model()),
                  CountText(evaluation.samples_total()),
                  TimeText(evaluation.finished_at()), place});
  };
  add("A", diff.a, places.a);
  add("B", diff.b, places.b);
  return table.ToText(style, 0);
}

// A value that is longer than a line breaks where a list of attacks may.
std::string ValueText(const std::string& value, std::size_t indent) {
  const bool fits = indent + DisplayWidth(value) <= kReportWidth;
  return WrapWords(
      fits ? value : absl::StrReplaceAll(value, {{",", ", "}, {":", " "}}),
      kReportWidth, indent, indent);
}

// A setting takes two lines, because attacks and digests are long.
std::string UnlikeText(const std::vector<Unlike>& unlike, const char* title) {
  if (unlike.empty()) return "";
  std::string text = absl::StrCat("\n", title, "\n");
  const std::size_t indent = 2 + kWhatWidth + 3;
  for (const Unlike& one : unlike) {
    absl::StrAppend(&text, "  ", PadRight(one.what, kWhatWidth), "A  ",
                    ValueText(one.a, indent), "\n",
                    std::string(2 + kWhatWidth, ' '), "B  ",
                    ValueText(one.b, indent), "\n");
  }
  return text;
}

std::string Largest(double difference) {
  return absl::StrFormat("%.2g", difference);
}

std::string AttackTable(const EvaluationDiff& diff, const Style& style) {
  Table table({{"attack"},
               {"right in both", true},
               {"only A", true},
               {"only B", true},
               {"neither", true},
               {"other class", true},
               {"confidence", true},
               {"L2", true},
               {"L-inf", true}});
  for (const SharedAttack& one : diff.attacks) {
    const bool clean = one.place_a < 0;
    table.AddRow({clean ? one.name : absl::StrCat(one.name, " ", one.epsilon),
                  CountText(one.right_in_both), CountText(one.only_in_a),
                  CountText(one.only_in_b), CountText(one.in_neither),
                  CountText(one.other_predictions), Largest(one.confidence),
                  clean ? "" : Largest(one.l2),
                  clean ? "" : Largest(one.linf)});
  }
  return absl::StrCat(table.ToText(style, 0),
                      "Right: on the clean image, and still under the attack. "
                      "The last columns\n"
                      "are the largest differences.\n");
}

std::string FieldsText(const std::vector<std::string>& fields) {
  std::vector<std::string> shown(
      fields.begin(),
      fields.begin() + std::min<std::size_t>(fields.size(), kNamedFields));
  std::string text = absl::StrJoin(shown, ", ");
  if (fields.size() > shown.size()) {
    absl::StrAppend(&text, " +", fields.size() - shown.size());
  }
  return text;
}

// The differences of the first `limit` images that have any.
std::vector<RecordDifference> FirstImages(
    const std::vector<RecordDifference>& differences, std::uint64_t limit) {
  std::vector<RecordDifference> first;
  std::uint64_t images = 0;
  for (const RecordDifference& one : differences) {
    const bool begins = first.empty() || first.back().index != one.index;
    if (begins && ++images > limit) break;
    first.push_back(one);
  }
  return first;
}

// What people look at: other predictions, or if there are none every
// difference.
std::vector<RecordDifference> Worthwhile(const EvaluationDiff& diff) {
  std::vector<RecordDifference> other;
  for (const RecordDifference& one : diff.differences) {
    if (one.a.prediction() != one.b.prediction()) other.push_back(one);
  }
  return other.empty() ? diff.differences : other;
}

std::string ImageTable(const EvaluationDiff& diff, std::uint64_t limit,
                       const Style& style) {
  Table table(
      {{"image", true}, {"label"}, {"attack"}, {"A"}, {"B"}, {"differs in"}});
  const RecordNames names = NamesOf(diff.a);
  const std::vector<RecordDifference> all = Worthwhile(diff);
  const std::vector<RecordDifference> first = FirstImages(all, limit);
  for (const RecordDifference& one : first) {
    const SharedAttack& attack = diff.attacks[one.attack];
    const auto said = [&names](const v1::AttackRecord& record) {
      return SaidText(names, record.prediction(), record.confidence(),
                      record.success());
    };
    table.AddRow({absl::StrCat(one.index), ClassText(names, one.label),
                  absl::StrCat(attack.name, attack.epsilon.empty() ? "" : " ",
                               attack.epsilon),
                  said(one.a), said(one.b), FieldsText(one.fields)});
  }
  std::string text = table.ToText(style, 0);
  absl::StrAppend(&text, "✗: wrong, or where the attack wanted it.\n");
  const bool predictions = all.size() < diff.differences.size();
  if (predictions || first.size() < all.size()) {
    absl::StrAppend(&text, predictions ? "\nOther predictions" : "\nImages",
                    ", at most ", limit,
                    " images. --limit=N shows more, --output=csv\nevery "
                    "difference with all that was measured.\n");
  }
  return text;
}

// How many images both have, and how many of them differ.
std::string ImagesText(const EvaluationDiff& diff) {
  std::string text = absl::StrCat(
      "Images in both: ", CountText(diff.images), ", of which ",
      CountText(diff.differing_images), " differ in at least one bit.");
  if (diff.images_only_in_a + diff.images_only_in_b > 0) {
    absl::StrAppend(&text, " In A alone: ", CountText(diff.images_only_in_a),
                    ", in B alone: ", CountText(diff.images_only_in_b), ".");
  }
  return text;
}

nlohmann::ordered_json UnlikeJson(const std::vector<Unlike>& unlike) {
  auto list = nlohmann::ordered_json::array();
  for (const Unlike& one : unlike) {
    list.push_back({{"what", one.what}, {"a", one.a}, {"b", one.b}});
  }
  return list;
}

nlohmann::ordered_json SideJson(const v1::Evaluation& evaluation,
                                const std::string& place) {
  return {{"evaluation", evaluation.id()},
          {"server", place},
          {"records_sha256", evaluation.report().records_sha256()}};
}

}  // namespace

std::string DiffText(const EvaluationDiff& diff, const DiffPlaces& places,
                     std::uint64_t limit, const Style& style) {
  std::string text = Header(diff, places, style);
  absl::StrAppend(&text, UnlikeText(diff.settings, "Settings that differ:"),
                  UnlikeText(diff.surroundings, "Where they were computed:"),
                  "\n");
  if (diff.identical) {
    absl::StrAppend(&text, style.Good("Identical"), ": the ",
                    CountText(diff.a.samples_total()),
                    " records of both are the same to the last bit.\n"
                    "records_sha256 ",
                    Visible(diff.a.report().records_sha256()), "\n");
    return text;
  }
  if (!diff.comparable) {
    absl::StrAppend(&text, "The data sets differ, so no image is compared.\n");
    return text;
  }
  absl::StrAppend(&text,
                  style.Bold(WrapWords(ImagesText(diff), kReportWidth, 0)),
                  "\n\n", AttackTable(diff, style));
  if (!diff.differences.empty()) {
    absl::StrAppend(&text, "\n", ImageTable(diff, limit, style));
  }
  return text;
}

nlohmann::ordered_json DiffJson(const EvaluationDiff& diff,
                                const DiffPlaces& places, std::uint64_t limit) {
  auto attacks = nlohmann::ordered_json::array();
  for (const SharedAttack& one : diff.attacks) {
    attacks.push_back({{"attack", one.name},
                       {"epsilon_pixels", one.epsilon_pixels},
                       {"right_in_both", one.right_in_both},
                       {"right_only_in_a", one.only_in_a},
                       {"right_only_in_b", one.only_in_b},
                       {"right_in_neither", one.in_neither},
                       {"other_predictions", one.other_predictions},
                       {"differing", one.differing},
                       {"largest_confidence", one.confidence},
                       {"largest_label_confidence", one.label_confidence},
                       {"largest_l2", one.l2},
                       {"largest_linf", one.linf}});
  }
  auto differences = nlohmann::ordered_json::array();
  for (const RecordDifference& one : FirstImages(diff.differences, limit)) {
    const SharedAttack& attack = diff.attacks[one.attack];
    differences.push_back({{"index", one.index},
                           {"label", one.label},
                           {"attack", attack.name},
                           {"epsilon_pixels", attack.epsilon_pixels},
                           {"differs_in", one.fields},
                           {"a", ToJson(one.a)},
                           {"b", ToJson(one.b)}});
  }
  return {{"identical", diff.identical},
          {"a", SideJson(diff.a, places.a)},
          {"b", SideJson(diff.b, places.b)},
          {"settings", UnlikeJson(diff.settings)},
          {"surroundings", UnlikeJson(diff.surroundings)},
          {"comparable", diff.comparable},
          {"images", diff.images},
          {"images_only_in_a", diff.images_only_in_a},
          {"images_only_in_b", diff.images_only_in_b},
          {"differing_images", diff.differing_images},
          {"attacks", attacks},
          {"differences", differences}};
}

std::string DiffCsv(const EvaluationDiff& diff, std::uint64_t limit) {
  std::vector<Table::Column> columns = {
      {"index"}, {"label"}, {"attack"}, {"epsilon_pixels"}, {"differs_in"}};
  const auto& record = *v1::AttackRecord::descriptor();
  for (int i = 0; i < record.field_count(); ++i) {
    columns.push_back({record.field(i)->name() + "_a"});
    columns.push_back({record.field(i)->name() + "_b"});
  }
  Table table(columns);
  for (const RecordDifference& one : FirstImages(diff.differences, limit)) {
    const SharedAttack& attack = diff.attacks[one.attack];
    std::vector<std::string> cells = {
        absl::StrCat(one.index), absl::StrCat(one.label), attack.name,
        ExactText(attack.epsilon_pixels), absl::StrJoin(one.fields, " ")};
    const auto a = ToJson(one.a), b = ToJson(one.b);
    for (int i = 0; i < record.field_count(); ++i) {
      cells.push_back(a[record.field(i)->name()].dump());
      cells.push_back(b[record.field(i)->name()].dump());
    }
    table.AddRow(cells);
  }
  return table.ToCsv();
}

}  // namespace adv
