#ifndef ADV_CLIENT_EVALUATIONS_THESIS_H_
#define ADV_CLIENT_EVALUATIONS_THESIS_H_

#include <string>
#include <vector>

namespace adv {

// The source of the numbers of ThesisTable, for people.
inline constexpr char kThesisSource[] =
    "table 5.2 of the thesis of 2017 on class imbalance and adversarial images";

// A row of that table. The thesis prints the shares in per cent.
struct ThesisResult {
  std::string model;       // "balanced", "no-airplane", ...
  std::string class_name;  // the class with fewer images; empty if balanced
  double accuracy;         // share of all test images
  double class_accuracy;   // share of the class; NaN if balanced
  double loss;             // on its validation images; NaN if not printed
};

// The balanced model, then the ten without most of a class, in class order.
const std::vector<ThesisResult>& ThesisTable();

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_THESIS_H_
