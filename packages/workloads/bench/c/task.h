/*
 * What the kit of assembly/ gives a task, for the C programs of the measurement M-3: the input from standard input, the
 * output to standard output, and, on standard error, the processor time of the whole process in microseconds.
 */
#ifndef ASKEE_BENCH_TASK_H
#define ASKEE_BENCH_TASK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const uint8_t *input_bytes;
static size_t input_left;

static inline void require(int condition) {
  if (!condition) abort();
}

static inline void *allocate(size_t bytes) {
  void *memory = calloc(bytes > 0 ? bytes : 1, 1);
  require(memory != NULL);
  return memory;
}

static inline void read_input(void) {
  size_t capacity = 1 << 16;
  size_t length = 0;
  uint8_t *bytes = malloc(capacity);
  require(bytes != NULL);
  for (size_t got; (got = fread(bytes + length, 1, capacity - length, stdin)) > 0;) {
    length += got;
    if (length == capacity) {
      capacity *= 2;
      bytes = realloc(bytes, capacity);
      require(bytes != NULL);
    }
  }
  input_bytes = bytes;
  input_left = length;
}

/* The next `length` bytes of the input, where they stand. */
static inline const uint8_t *take_bytes(size_t length) {
  const uint8_t *at = input_bytes;
  require(length <= input_left);
  input_bytes += length;
  input_left -= length;
  return at;
}

/* Numbers are little-endian, as on every machine this is measured on. */
#define ASKEE_TAKE(name, type)                         \
  static inline type name(void) {                      \
    type value;                                        \
    memcpy(&value, take_bytes(sizeof value), sizeof value); \
    return value;                                      \
  }
ASKEE_TAKE(take_u8, uint8_t)
ASKEE_TAKE(take_u32, uint32_t)
ASKEE_TAKE(take_u64, uint64_t)
ASKEE_TAKE(take_f64, double)

static inline double *take_f64s(size_t length) {
  double *values = allocate(length * sizeof *values);
  memcpy(values, take_bytes(length * sizeof *values), length * sizeof *values);
  return values;
}

static inline int finish(void) {
  struct rusage usage;
  fflush(stdout);
  getrusage(RUSAGE_SELF, &usage);
  fprintf(stderr, "%lld\n",
          (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec +
              usage.ru_stime.tv_usec);
  return 0;
}

#endif
