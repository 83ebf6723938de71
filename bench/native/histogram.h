// Log-linear latency histogram: 64 steps per power of two of nanoseconds, so any quantile is within 1.6%.
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define STEP_BITS 6
#define STEPS (1 << STEP_BITS)
#define BUCKETS ((64 - STEP_BITS) * STEPS)

struct histogram {
  uint64_t counts[BUCKETS], total;
};

static inline void histogram_add(struct histogram *histogram, int64_t ns) {
  uint64_t value = ns < STEPS ? STEPS : (uint64_t)ns;
  int shift = 63 - __builtin_clzll(value) - STEP_BITS;
  histogram->counts[shift * STEPS + (int)((value >> shift) - STEPS)]++;
  histogram->total++;
}

static void histogram_reset(struct histogram *histogram) { memset(histogram, 0, sizeof *histogram); }

// Microseconds below which the given share of the samples lies.
static double histogram_quantile(const struct histogram *histogram, double share) {
  uint64_t rank = (uint64_t)(share * (double)histogram->total), seen = 0;
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram->counts[i];
    if (seen > rank) return (double)((uint64_t)(i % STEPS + STEPS) << (i / STEPS)) / 1000.0;
  }
  return 0;
}

#endif
