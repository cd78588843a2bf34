/* assembly/lucas-lehmer.ts and lib/mersenne.ts in C: the same 32-bit limbs, the same schoolbook squaring. */
#include "task.h"

static int count;
static int top_bits;
static uint32_t *limbs;
static uint32_t *wide;

static void mask_top(void) { limbs[count - 1] &= (1u << top_bits) - 1; }

static int is_all_ones(void) {
  for (int i = 0; i < count - 1; i++) {
    if (limbs[i] != UINT32_MAX) return 0;
  }
  return limbs[count - 1] == (1u << top_bits) - 1;
}

static int is_zero(void) {
  for (int i = 0; i < count; i++) {
    if (limbs[i] != 0) return 0;
  }
  return 1;
}

static void reduce(void) {
  int top = count - 1;
  int right = top_bits;
  int left = 32 - right;
  uint64_t carry = 0;
  for (int i = 0; i <= top; i++) {
    uint32_t high = (wide[top + i] >> right) | (wide[top + i + 1] << left);
    uint32_t low = wide[i];
    if (i == top) low &= (1u << right) - 1;
    carry += (uint64_t)low + high;
    limbs[i] = (uint32_t)carry;
    carry >>= 32;
  }
  uint64_t overflow = limbs[top] >> right;
  mask_top();
  for (int i = 0; i <= top && overflow != 0; i++) {
    overflow += limbs[i];
    limbs[i] = (uint32_t)overflow;
    overflow >>= 32;
  }
  if (is_all_ones()) memset(limbs, 0, (size_t)count * sizeof *limbs);
}

static void square(void) {
  const uint32_t *x = limbs;
  uint32_t *out = wide;
  int n = count;
  memset(out, 0, 2 * (size_t)n * sizeof *out);
  for (int i = 0; i < n - 1; i++) {
    uint64_t factor = x[i];
    uint64_t carry = 0;
    for (int j = i + 1; j < n; j++) {
      uint64_t sum = factor * x[j] + out[i + j] + carry;
      out[i + j] = (uint32_t)sum;
      carry = sum >> 32;
    }
    out[i + n] = (uint32_t)carry;
  }
  uint64_t carry = 0;
  uint32_t shifted = 0;
  for (int i = 0; i < n; i++) {
    uint32_t low = out[2 * i];
    uint32_t high = out[2 * i + 1];
    uint64_t product = (uint64_t)x[i] * x[i];
    uint64_t first = (uint64_t)((low << 1) | shifted) + (product & 0xffffffff) + carry;
    uint64_t second = (uint64_t)((high << 1) | (low >> 31)) + (product >> 32) + (first >> 32);
    out[2 * i] = (uint32_t)first;
    out[2 * i + 1] = (uint32_t)second;
    shifted = high >> 31;
    carry = second >> 32;
  }
  reduce();
}

static int subtract(uint32_t amount) {
  uint32_t borrow = amount;
  for (int i = 0; i < count && borrow != 0; i++) {
    uint32_t limb = limbs[i];
    limbs[i] = limb - borrow;
    borrow = limb < borrow ? 1 : 0;
  }
  return borrow != 0;
}

static void subtract_two(void) {
  if (subtract(2)) {
    mask_top();
    subtract(1);
  }
}

int main(void) {
  read_input();
  uint32_t p = take_u32();
  require(p >= 3 && p <= 100000 && (p & 1) == 1);
  count = (int)(p >> 5) + 1;
  top_bits = (int)(p & 31);
  limbs = allocate((size_t)count * sizeof *limbs);
  wide = allocate(2 * (size_t)count * sizeof *wide);
  wide[0] = 4;
  reduce();
  for (uint32_t i = 0; i < p - 2; i++) {
    square();
    subtract_two();
  }
  uint64_t low = count == 1 ? limbs[0] : limbs[0] | (uint64_t)limbs[1] << 32;
  if (is_zero()) printf("prime");
  else printf("%016llx", (unsigned long long)low);
  return finish();
}
