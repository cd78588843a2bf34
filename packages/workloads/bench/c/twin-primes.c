/* assembly/twin-primes.ts in C. */
#include "sieve.h"

int main(void) {
  read_input();
  uint64_t lo = take_u64();
  uint64_t hi = take_u64();
  require(lo <= hi && hi < LARGEST_END - 2);
  uint64_t end = lo < hi ? hi + 2 : 0;
  uint64_t count = 0;
  int previous = 0;
  Sieve *sieve = new_sieve(lo > 3 ? lo : 3, hi + 2);
  while (sieve->base < end) {
    uint64_t base = next_segment(sieve);
    int length = length_of_segment(base, end);
    int found = 0;
    for (int i = 0; i < length; i++) {
      int prime = 1 ^ sieve->composite[i];
      found += previous & prime;
      previous = prime;
    }
    count += (uint64_t)found;
  }
  printf("%llu", (unsigned long long)count);
  return finish();
}
