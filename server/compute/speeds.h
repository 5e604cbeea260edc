#ifndef ADV_SERVER_COMPUTE_SPEEDS_H_
#define ADV_SERVER_COMPUTE_SPEEDS_H_

#include <map>
#include <string>

namespace adv {

// How fast one thread works.
struct Speed {
  double cost_per_second = 0;  // see cost.h; 0: not known
  bool of_model = false;       // measured on the model itself, not on others
};

// How much of a job's cost one thread does in a second, measured for each
// model: a forward pass of one may take a thousand times that of
// another.
//
// Not thread-safe.
class Speeds {
 public:
  // A job of `model` has ended. Newer jobs weigh more, and so do longer ones:
  // a small job that waited for others tells little. Both are above 0.
  void Measure(const std::string& model, double cost, double seconds);

  // Of `model`, or of all jobs so far if none of its own has ended; not known
  // if none has ended at all.
  Speed Of(const std::string& model) const;

 private:
  // Means over jobs.
  struct Mean {
    double cost = 0;
    double seconds = 0;  // 0: no job yet

    void Add(double new_cost, double new_seconds);
    double speed() const { return seconds == 0 ? 0 : cost / seconds; }
  };

  Mean all_;
  std::map<std::string, Mean> by_model_;
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_SPEEDS_H_
