#ifndef ADV_ENGINE_ATTACKS_SQUARE_H_
#define ADV_ENGINE_ATTACKS_SQUARE_H_

#include <cstdint>
#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The Square attack (Andriushchenko et al., arXiv 1912.00049), L-inf and L2:
// random search by scores alone. Its first query is a random start on the
// ball's surface. Each later query changes a square of the best image so far,
// with a place and signs drawn for that image. The change is kept if the margin
//   z_y - max_{j != y} z_j   (targeted: max_{j != t} z_j - z_t)
// falls. Margins are of float32 logits; if they are equal for two images, the
// older image stays.
//
// An image leaves the search as soon as it fools the source. So both success
// rules give the same, except for images that are wrong before: kAnyIterate
// returns these as they are. An image costs as many forwards as it needs, at
// most `queries` for each restart. A transfer costs one more at each restart,
// for the target's verdict. Its iterations are the squares tried.
std::unique_ptr<const Attack> MakeSquare(const SquareConfig& config);

// The share of the pixels that query `query` of `queries` changes; the start is
// query 0. The share is `initial_share`, halved after each of the paper's
// milestones (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000 of 10,000
// queries), which are rescaled to `queries`.
double SquareShare(double initial_share, int64_t query, int64_t queries);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_SQUARE_H_
