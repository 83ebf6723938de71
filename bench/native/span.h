// The measured span of a load client: a warm-up that is not counted, then the seconds that are. A proxy that others keep
// from its core gets up to four times as long, until it has used --cpu seconds: CPU time is told in hundredths of a second.
#ifndef BENCH_SPAN_H
#define BENCH_SPAN_H

#include "common.h"
#include "histogram.h"

#define SPAN_EXTENSION_NS 50000000

static struct histogram latency;
static uint64_t done_requests, done_bytes;
static int64_t span_start, span_end, span_limit, counted_from;
static double cpu_at_start, cpu_wanted;
static int counting, finishing, finished, patience_seconds;
static int64_t finish_deadline;
static char result[512];

static void span_begin(int argc, char **argv) {
  double warmup_seconds = atof(argument(argc, argv, "--warmup", "0.5"));
  double seconds = atof(argument(argc, argv, "--seconds", "2"));
  patience_seconds = atoi(argument(argc, argv, "--patience", "5"));
  span_start = now_ns() + (int64_t)(warmup_seconds * 1e9);
  span_end = span_start + (int64_t)(seconds * 1e9);
  span_limit = span_start + (int64_t)(seconds * 4e9);
  cpu_wanted = atof(argument(argc, argv, "--cpu", "0"));
}

static inline void count_request(int64_t started, int64_t now) {
  done_requests++;
  histogram_add(&latency, now - started);
}

// Called once per batch of events; true when the span is over. What is counted and its CPU time end here.
static int span_over(void) {
  int64_t now = now_ns();
  if (!counting && now >= span_start) {
    counting = 1;
    done_requests = done_bytes = 0;
    histogram_reset(&latency);
    counted_from = now;
    cpu_at_start = cpu_seconds();
  }
  if (now < span_end) return 0;
  double cpu = cpu_seconds() - cpu_at_start;
  if (cpu < cpu_wanted && now < span_limit) {
    span_end = now + SPAN_EXTENSION_NS;
    return 0;
  }
  snprintf(result, sizeof result,
           "{\"requests\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.2f,\"p50Us\":%.1f,\"p99Us\":%.1f}",
           (unsigned long long)done_requests, (unsigned long long)done_bytes, (double)(now - counted_from) / 1e9, cpu,
           histogram_quantile(&latency, 0.5), histogram_quantile(&latency, 0.99));
  finishing = 1;
  finish_deadline = now + patience_seconds * 1000000000ll;
  return 1;
}

// After the span nothing new is asked, but what was asked must still be answered, and right: else one connection could be
// stuck and nobody would know. True when all of them are answered and the result is printed.
static int all_answered(int connections) {
  if (finished < connections) {
    if (now_ns() > finish_deadline)
      fail("%d of %d connections got no answer for %d seconds", connections - finished, connections, patience_seconds);
    return 0;
  }
  puts(result);
  fflush(stdout);
  return 1;
}

// Holds idle connections until the harness has read the memory: tells the count, then waits for a line on stdin.
static void tell_open_and_wait(int open) {
  char line[16];
  printf("{\"open\":%d}\n", open);
  fflush(stdout);
  if (read(STDIN_FILENO, line, sizeof line) <= 0) exit(0);
}

#endif
