#ifndef ADV_ENGINE_NN_ACCESS_H_
#define ADV_ENGINE_NN_ACCESS_H_

namespace adv {

// What a network tells of an image, and the least that an attack must be told;
// each includes those before it.
enum class Access {
  kNone,       // nothing: enough for noise
  kDecisions,  // the class
  kScores,     // the logits
  kGradients,  // of the logits with respect to the pixels
};

inline const char* AccessName(Access access) {
  switch (access) {
    case Access::kNone:
      return "nothing";
    case Access::kDecisions:
      return "decisions";
    case Access::kScores:
      return "scores";
    case Access::kGradients:
      break;
  }
  return "gradients";
}

}  // namespace adv

#endif  // ADV_ENGINE_NN_ACCESS_H_
