#ifndef ADV_SERVER_LIMITS_H_
#define ADV_SERVER_LIMITS_H_

#include <cstdint>

namespace adv {

// What the server accepts. Each is more than 0.
struct Limits {
  // Bytes of one message: 16 MiB hold 1,024 CIFAR-10 images as float32.
  uint64_t message_bytes = uint64_t{16} << 20;
  // Images of one request.
  uint32_t images_per_request = 1024;
  // Steps of one attack.
  uint32_t steps = 1000;
  // Queries of one attack that needs scores or decisions alone.
  uint32_t queries = 100000;
  // Epsilons of one evaluation.
  uint32_t epsilons = 64;
  // Attacks of one evaluation.
  uint32_t attacks = 16;
  // Cost that may wait, in images times passes (a forward is 1, a gradient 2):
  // about two minutes of two cores. Interactive work may fill a quarter.
  uint64_t queued_cost = 262144;
  // Bytes of images that may wait.
  uint64_t queued_bytes = uint64_t{256} << 20;
  // Evaluations that may wait or run at once.
  uint32_t concurrent_evaluations = 16;
  // Results of one evaluation: samples times attacks times epsilons. Each is
  // about 100 bytes on the disk and, for the report, in memory.
  uint64_t evaluation_records = 1'000'000;
  // Bytes of the evaluation store's file; its journal comes on top.
  uint64_t state_bytes = uint64_t{8} << 30;
  // Connections at once, about; fewer if the limit of open files is lower.
  uint32_t connections = 4096;
};

}  // namespace adv

#endif  // ADV_SERVER_LIMITS_H_
