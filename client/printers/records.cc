#include "client/printers/records.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

std::string BoolText(bool value) { return value ? "true" : "false"; }

}  // namespace

std::string ClassText(const RecordNames& names, int label) {
  const bool known =
      label >= 0 && label < static_cast<int>(names.classes.size());
  return known ? names.classes[label] : absl::StrCat(label);
}

std::string SaidText(const RecordNames& names, int prediction,
                     double confidence, bool fooled) {
  return absl::StrCat(fooled ? "✗ " : "  ", ClassText(names, prediction), " ",
                      PercentText(confidence), "%");
}

RecordNames NamesOf(const v1::Evaluation& evaluation) {
  RecordNames names;
  const v1::EvaluationReport& report = evaluation.report();
  names.classes.assign(report.class_names().begin(),
                       report.class_names().end());
  const v1::EvaluationSpec& spec = evaluation.resolved().spec();
  // A record holds its attacks in this order: attack by attack, each with all
  // epsilons.
  for (const v1::Attack& attack : spec.attacks()) {
    const auto alike =
        std::count_if(spec.attacks().begin(), spec.attacks().end(),
                      [&](const v1::Attack& other) {
                        return other.kind_case() == attack.kind_case();
                      });
    for (const v1::Epsilon& epsilon : spec.epsilons()) {
      // Two attacks of one kind need their parameters to be told apart.
      names.attacks.push_back(alike < 2 ? AttackName(attack)
                                        : TypedAttack(attack));
      names.epsilons_pixels.push_back(Pixels(epsilon));
      names.epsilons.push_back(EpsilonText(epsilon));
    }
  }
  return names;
}

Table RecordTable(const std::vector<v1::EvaluationRecord>& records,
                  const RecordNames& names) {
  std::vector<Table::Column> columns = {{"image", true}, {"label"}, {"clean"}};
  for (std::size_t i = 0; i < names.attacks.size(); ++i) {
    columns.push_back({absl::StrCat(names.attacks[i], " ", names.epsilons[i])});
  }
  Table table(columns);
  for (const v1::EvaluationRecord& record : records) {
    std::vector<std::string> cells = {
        absl::StrCat(record.index()), ClassText(names, record.label()),
        SaidText(names, record.prediction(), record.confidence(),
                 record.prediction() != record.label())};
    for (const v1::AttackRecord& attack : record.attacks()) {
      cells.push_back(SaidText(names, attack.prediction(), attack.confidence(),
                               attack.success()));
    }
    table.AddRow(cells);
  }
  return table;
}

// AddRecordRows fills the columns in this order. New columns come last.
Table RecordCsvHeader() {
  std::vector<Table::Column> columns;
  for (const char* name : {"index",
                           "label",
                           "clean_prediction",
                           "clean_confidence",
                           "clean_label_confidence",
                           "attack",
                           "epsilon_pixels",
                           "target",
                           "prediction",
                           "confidence",
                           "label_confidence",
                           "success",
                           "iterations",
                           "zero_gradient",
                           "gradients",
                           "forwards",
                           "l0",
                           "l2",
                           "linf",
                           "clean_rank",
                           "member",
                           "queries"}) {
    columns.push_back({name});
  }
  return Table(columns);
}

void AddRecordRows(const v1::EvaluationRecord& record, const RecordNames& names,
                   Table* table) {
  for (int i = 0; i < record.attacks_size(); ++i) {
    const v1::AttackRecord& attack = record.attacks(i);
    // A record is the server's; it may hold more than the names tell.
    const bool named = i < static_cast<int>(names.attacks.size());
    table->AddRow({absl::StrCat(record.index()),
                   absl::StrCat(record.label()),
                   absl::StrCat(record.prediction()),
                   ExactText(record.confidence()),
                   ExactText(record.label_confidence()),
                   named ? names.attacks[i] : "",
                   named ? ExactText(names.epsilons_pixels[i]) : "",
                   absl::StrCat(attack.target()),
                   absl::StrCat(attack.prediction()),
                   ExactText(attack.confidence()),
                   ExactText(attack.label_confidence()),
                   BoolText(attack.success()),
                   absl::StrCat(attack.iterations()),
                   BoolText(attack.zero_gradient()),
                   absl::StrCat(attack.gradients()),
                   absl::StrCat(attack.forwards()),
                   absl::StrCat(attack.l0()),
                   ExactText(attack.l2()),
                   ExactText(attack.linf()),
                   absl::StrCat(attack.clean_rank()),
                   absl::StrCat(attack.member()),
                   absl::StrCat(attack.queries())});
  }
}

}  // namespace adv
