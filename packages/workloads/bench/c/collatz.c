/* assembly/collatz.ts in C. */
#include "task.h"

#define LARGEST_ODD ((UINT64_MAX - 1) / 3)

static uint64_t sequence_length(uint64_t value) {
  uint64_t steps = 0;
  for (;;) {
    int halvings = __builtin_ctzll(value);
    value >>= halvings;
    steps += (uint64_t)halvings;
    if (value == 1) return steps;
    require(value <= LARGEST_ODD);
    value = 3 * value + 1;
    steps++;
  }
}

int main(void) {
  read_input();
  uint64_t n = take_u64();
  uint64_t hi = take_u64();
  require(n >= 1 && n < hi);
  uint64_t longest = 0;
  uint64_t longest_start = 0;
  for (; n < hi; n++) {
    uint64_t steps = sequence_length(n);
    if (steps > longest || longest_start == 0) {
      longest = steps;
      longest_start = n;
    }
  }
  printf("%llu %llu", (unsigned long long)longest_start, (unsigned long long)longest);
  return finish();
}
