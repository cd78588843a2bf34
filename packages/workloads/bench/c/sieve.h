/* The segmented sieve of assembly/lib/sieve.ts. */
#ifndef ASKEE_BENCH_SIEVE_H
#define ASKEE_BENCH_SIEVE_H

#include "task.h"

#define SEGMENT (1 << 15)
#define LARGEST_END 1000000000000ULL

typedef struct {
  uint8_t composite[SEGMENT];
  uint64_t base;
  size_t count;
  uint32_t *primes;
  uint32_t *offsets;
} Sieve;

static void find_odd_primes(Sieve *sieve, uint32_t limit) {
  uint8_t *composite = allocate((size_t)limit + 1);
  sieve->count = 0;
  for (uint32_t n = 3; n <= limit; n += 2) {
    if (composite[n]) continue;
    sieve->count++;
    for (uint64_t m = (uint64_t)n * n; m <= limit; m += 2 * n) composite[m] = 1;
  }
  sieve->primes = allocate(sieve->count * sizeof(uint32_t));
  for (uint32_t n = 3, i = 0; n <= limit; n += 2) {
    if (!composite[n]) sieve->primes[i++] = n;
  }
  free(composite);
}

static Sieve *new_sieve(uint64_t from, uint64_t end) {
  Sieve *sieve = allocate(sizeof *sieve);
  uint64_t base = from | 1;
  find_odd_primes(sieve, (uint32_t)sqrt((double)end));
  sieve->base = base;
  sieve->offsets = allocate(sieve->count * sizeof(uint32_t));
  for (size_t i = 0; i < sieve->count; i++) {
    uint64_t p = sieve->primes[i];
    uint64_t multiple = p * p;
    if (multiple < base) {
      multiple = ((base + p - 1) / p) * p;
      if ((multiple & 1) == 0) multiple += p;
    }
    sieve->offsets[i] = (uint32_t)((multiple - base) >> 1);
  }
  return sieve;
}

/* Marks the composites of the coming segment and returns its base. */
static uint64_t next_segment(Sieve *sieve) {
  uint8_t *composite = sieve->composite;
  const uint32_t *primes = sieve->primes;
  uint32_t *offsets = sieve->offsets;
  memset(composite, 0, SEGMENT);
  for (size_t i = 0, count = sieve->count; i < count; i++) {
    uint32_t p = primes[i];
    uint32_t at = offsets[i];
    for (; at < SEGMENT; at += p) composite[at] = 1;
    offsets[i] = at - SEGMENT;
  }
  uint64_t base = sieve->base;
  sieve->base += 2 * SEGMENT;
  return base;
}

/* How many odd numbers from `base` on are below `end`, at most a segment of them. */
static inline int length_of_segment(uint64_t base, uint64_t end) {
  uint64_t length = (end - base + 1) >> 1;
  return (int)(length < SEGMENT ? length : SEGMENT);
}

#endif
