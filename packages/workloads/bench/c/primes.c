/* assembly/primes.ts in C. */
#include "sieve.h"

int main(void) {
  read_input();
  uint64_t lo = take_u64();
  uint64_t hi = take_u64();
  require(lo <= hi && hi <= LARGEST_END);
  uint64_t count = lo <= 2 && hi > 2 ? 1 : 0;
  Sieve *sieve = new_sieve(lo > 3 ? lo : 3, hi);
  while (sieve->base < hi) {
    uint64_t base = next_segment(sieve);
    int end = length_of_segment(base, hi);
    int found = end;
    for (int i = 0; i < end; i++) found -= sieve->composite[i];
    count += (uint64_t)found;
  }
  printf("%llu", (unsigned long long)count);
  return finish();
}
