#ifndef ADV_CLIENT_PRINTERS_RECORDS_H_
#define ADV_CLIENT_PRINTERS_RECORDS_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/printers/table.h"

namespace adv {

// The names for the numbers in an evaluation's records. Before the evaluation
// is done, class names are missing and numbers stand in their places.
struct RecordNames {
  std::vector<std::string> classes;
  // One for each attack and epsilon, in the order of a record's attacks.
  std::vector<std::string> attacks;
  std::vector<double> epsilons_pixels;
  std::vector<std::string> epsilons;
};
RecordNames NamesOf(const v1::Evaluation& evaluation);

// "✗ cat 61.2%": what a model said, and whether that is wrong or where the
// attack wanted it. Two blanks in place of the mark keep the names in line.
std::string SaidText(const RecordNames& names, int prediction,
                     double confidence, bool fooled);

// The name of a class; its number while the names are not known.
std::string ClassText(const RecordNames& names, int label);

// A table for people: one row for each image, one column for each attack.
Table RecordTable(const std::vector<v1::EvaluationRecord>& records,
                  const RecordNames& names);

// A table for programs: one row for each image and attack, with all that was
// measured.
Table RecordCsvHeader();
void AddRecordRows(const v1::EvaluationRecord& record, const RecordNames& names,
                   Table* table);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_RECORDS_H_
