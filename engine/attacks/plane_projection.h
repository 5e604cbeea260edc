#ifndef ADV_ENGINE_ATTACKS_PLANE_PROJECTION_H_
#define ADV_ENGINE_ATTACKS_PLANE_PROJECTION_H_

#include <ATen/core/Tensor.h>

#include "engine/attacks/threat_model.h"

namespace adv {

// The smallest moves in the norm that bring M `points` [M, channels, height,
// width] of the box [0, 1] onto planes without leaving the box: to where
//   values + <normals, move> = 0,
// with `normals` [M, channels, height, width] and `values` [M] double. If a
// plane does not meet the box, the move goes to the corner nearest to it. As
// Croce and Hein, arXiv 1907.02044, section 2.2.
at::Tensor MovesOntoPlanes(const at::Tensor& points, const at::Tensor& normals,
                           const at::Tensor& values, Norm norm);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_PLANE_PROJECTION_H_
