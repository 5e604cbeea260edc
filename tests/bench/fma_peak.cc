#include "tests/bench/fma_peak.h"

#include <immintrin.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "engine/nn/device.h"

namespace adv {
namespace {

// Twelve independent chains: more than latency times units of any CPU so far.
constexpr int kChains = 12;
constexpr int64_t kChainSteps = 1 << 16;
constexpr double kMeasureSeconds = 0.5;

// Tells the compiler that the sums are used, so that it computes them.
template <typename Vector>
void Use(const Vector& vector) {
  asm volatile("" : : "m"(vector));
}

__attribute__((target("avx512f"))) void Steps512() {
  __m512 sums[kChains];
  for (__m512& sum : sums) sum = _mm512_set1_ps(1);
  const __m512 factor = _mm512_set1_ps(0.999F);
  const __m512 term = _mm512_set1_ps(0.001F);
  for (int64_t step = 0; step < kChainSteps; ++step) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, term);
  }
  for (const __m512& sum : sums) Use(sum);
}

__attribute__((target("avx2,fma"))) void Steps256() {
  __m256 sums[kChains];
  for (__m256& sum : sums) sum = _mm256_set1_ps(1);
  const __m256 factor = _mm256_set1_ps(0.999F);
  const __m256 term = _mm256_set1_ps(0.001F);
  for (int64_t step = 0; step < kChainSteps; ++step) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, term);
  }
  for (const __m256& sum : sums) Use(sum);
}

}  // namespace

double FmaPeakGflops() {
  const bool wide = __builtin_cpu_supports("avx512f");
  if (!wide &&
      !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) {
    return 0;
  }
  const int lanes = wide ? 16 : 8;
  std::vector<double> rates(UsableCores());
  std::vector<std::thread> threads;
  for (double& rate : rates) {
    threads.emplace_back([&rate, wide, lanes] {
      const auto start = std::chrono::steady_clock::now();
      double seconds = 0;
      int64_t rounds = 0;
      while (seconds < kMeasureSeconds) {
        if (wide) {
          Steps512();
        } else {
          Steps256();
        }
        ++rounds;
        seconds = std::chrono::duration<double>(
                      std::chrono::steady_clock::now() - start)
                      .count();
      }
      rate = 2.0 * lanes * kChains * kChainSteps * rounds / seconds / 1e9;
    });
  }
  for (std::thread& thread : threads) thread.join();
  double total = 0;
  for (const double rate : rates) total += rate;
  return total;
}

}  // namespace adv
