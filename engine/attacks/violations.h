#ifndef ADV_ENGINE_ATTACKS_VIOLATIONS_H_
#define ADV_ENGINE_ATTACKS_VIOLATIONS_H_

#include <absl/status/status.h>

#include <string>
#include <vector>

namespace adv {

// Collects the faults of an input, so that its sender sees all of them at once.
// Each is "field: what is wrong". A fault that is there already is dropped.
class Violations {
 public:
  void Add(std::string violation);
  // Adds those of another INVALID_ARGUMENT; nothing if `status` is OK.
  void AddAll(const absl::Status& status);

  // OK if there are none, else INVALID_ARGUMENT with all, joined with "; ".
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> violations_;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_VIOLATIONS_H_
