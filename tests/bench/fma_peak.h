#ifndef ADV_TESTS_BENCH_FMA_PEAK_H_
#define ADV_TESTS_BENCH_FMA_PEAK_H_

namespace adv {

// What this process's cores reach together in single-precision fused
// multiply-adds that never leave the registers, in GFLOP/s (a multiply-add is
// two). The widest vectors the CPU has are used: AVX-512 or AVX2. Measures for
// about half a second on every core that the process may use; 0 if the CPU has
// neither.
double FmaPeakGflops();

}  // namespace adv

#endif  // ADV_TESTS_BENCH_FMA_PEAK_H_
