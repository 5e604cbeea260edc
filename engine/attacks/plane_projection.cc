#include "engine/attacks/plane_projection.h"

#include <ATen/ATen.h>

#include <tuple>

#include "engine/attacks/layout.h"

namespace adv {
namespace {

// The sum over each column and all columns after it. Subtracting the sum before
// it from the total would lose the last sums, which may be tiny beside the
// total.
at::Tensor SumsFromHere(const at::Tensor& values) {
  return values.flip({1}).cumsum(1).flip({1});
}

at::Tensor SumsBeforeHere(const at::Tensor& values) {
  return at::constant_pad_nd(values.cumsum(1).narrow(1, 0, values.size(1) - 1),
                             {1, 0});
}

}  // namespace

// All pixels set out together toward the plane, at speed 1 (L-inf) or |w| (L2),
// and each stops where the box ends. What remains to the plane falls linearly
// between two stops. So the time when nothing remains is exact, once it is
// known which pixels have stopped by then.
at::Tensor MovesOntoPlanes(const at::Tensor& points, const at::Tensor& normals,
                           const at::Tensor& values, Norm norm) {
  const at::Tensor w = ValuesOf(normals).to(at::kDouble);
  const at::Tensor x = ValuesOf(points).to(at::kDouble);
  const at::Tensor way = w.sign() * values.sign().neg().unsqueeze(1);
  const at::Tensor slope = w.abs() * way.abs();
  const at::Tensor speed = norm == Norm::kLinf ? way.abs() : slope;
  const at::Tensor room = at::where(way.gt(0), 1 - x, x) * way.abs();

  at::Tensor stops, order;
  std::tie(stops, order) = at::sort(room / speed.masked_fill(speed.eq(0), 1),
                                    /*stable=*/true, /*dim=*/1,
                                    /*descending=*/false);
  const at::Tensor gained = SumsBeforeHere((slope * room).gather(1, order));
  const at::Tensor rate = SumsFromHere((slope * speed).gather(1, order));
  const at::Tensor need = values.abs().unsqueeze(1);
  const at::Tensor stopped =
      (gained + stops * rate).lt(need).sum(1, /*keepdim=*/true);
  // If all pixels stop before the plane is reached, the corner where they stop
  // is the nearest one to it.
  const at::Tensor reachable = stopped.lt(w.size(1));
  const at::Tensor here = stopped.clamp_max(w.size(1) - 1);
  const at::Tensor time =
      (need - gained.gather(1, here)) / rate.gather(1, here);
  const at::Tensor moves = at::where(reachable.logical_and(need.gt(0)),
                                     at::min(time * speed, room), room);
  return ImagesOf((way * moves).to(at::kFloat), points);
}

}  // namespace adv
