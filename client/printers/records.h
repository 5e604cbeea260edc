#ifndef ADV_CLIENT_PRINTERS_RECORDS_H_
#define ADV_CLIENT_PRINTERS_RECORDS_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/printers/table.h"

namespace adv {

// Names for the numbers in records: those of the evaluation they belong to.
// Class names are missing until it is done; then numbers stand.
struct RecordNames {
  std::vector<std::string> classes;
  // One for each attack and epsilon, in the order of a record's attacks.
  std::vector<std::string> attacks;
  std::vector<double> epsilons_pixels;
  std::vector<std::string> epsilons;
};
RecordNames NamesOf(const v1::Evaluation& evaluation);

// For people: a row an image, a column an attack.
Table RecordTable(const std::vector<v1::EvaluationRecord>& records,
                  const RecordNames& names);

// For programs: a row per image and attack, with everything measured.
Table RecordCsvHeader();
void AddRecordRows(const v1::EvaluationRecord& record, const RecordNames& names,
                   Table* table);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_RECORDS_H_
