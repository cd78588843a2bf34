/* assembly/smith-waterman.ts and lib/blosum62.ts in C. */
#include "task.h"

#define RESIDUES 24
#define UNKNOWN 255
#define NEVER (INT32_MIN / 2)

static const char ORDER[] = "ARNDCQEGHILKMFPSTWYVBZX*";

/* BLOSUM62 (S. Henikoff, J. G. Henikoff, PNAS 89, 1992): half bits, rows and columns in the order above. */
static const int8_t SCORES[RESIDUES * RESIDUES] = {
    4, -1, -2, -2, 0, -1, -1, 0, -2, -1, -1, -1, -1, -2, -1, 1, 0, -3, -2, 0, -2, -1, 0, -4,
    -1, 5, 0, -2, -3, 1, 0, -2, 0, -3, -2, 2, -1, -3, -2, -1, -1, -3, -2, -3, -1, 0, -1, -4,
    -2, 0, 6, 1, -3, 0, 0, 0, 1, -3, -3, 0, -2, -3, -2, 1, 0, -4, -2, -3, 3, 0, -1, -4,
    -2, -2, 1, 6, -3, 0, 2, -1, -1, -3, -4, -1, -3, -3, -1, 0, -1, -4, -3, -3, 4, 1, -1, -4,
    0, -3, -3, -3, 9, -3, -4, -3, -3, -1, -1, -3, -1, -2, -3, -1, -1, -2, -2, -1, -3, -3, -2, -4,
    -1, 1, 0, 0, -3, 5, 2, -2, 0, -3, -2, 1, 0, -3, -1, 0, -1, -2, -1, -2, 0, 3, -1, -4,
    -1, 0, 0, 2, -4, 2, 5, -2, 0, -3, -3, 1, -2, -3, -1, 0, -1, -3, -2, -2, 1, 4, -1, -4,
    0, -2, 0, -1, -3, -2, -2, 6, -2, -4, -4, -2, -3, -3, -2, 0, -2, -2, -3, -3, -1, -2, -1, -4,
    -2, 0, 1, -1, -3, 0, 0, -2, 8, -3, -3, -1, -2, -1, -2, -1, -2, -2, 2, -3, 0, 0, -1, -4,
    -1, -3, -3, -3, -1, -3, -3, -4, -3, 4, 2, -3, 1, 0, -3, -2, -1, -3, -1, 3, -3, -3, -1, -4,
    -1, -2, -3, -4, -1, -2, -3, -4, -3, 2, 4, -2, 2, 0, -3, -2, -1, -2, -1, 1, -4, -3, -1, -4,
    -1, 2, 0, -1, -3, 1, 1, -2, -1, -3, -2, 5, -1, -3, -1, 0, -1, -3, -2, -2, 0, 1, -1, -4,
    -1, -1, -2, -3, -1, 0, -2, -3, -2, 1, 2, -1, 5, 0, -2, -1, -1, -1, -1, 1, -3, -1, -1, -4,
    -2, -3, -3, -3, -2, -3, -3, -3, -1, 0, 0, -3, 0, 6, -4, -2, -2, 1, 3, -1, -3, -3, -1, -4,
    -1, -2, -2, -1, -3, -1, -1, -2, -2, -3, -3, -1, -2, -4, 7, -1, -1, -4, -3, -2, -2, -1, -2, -4,
    1, -1, 1, 0, -1, 0, 0, 0, -1, -2, -2, 0, -1, -2, -1, 4, 1, -3, -2, -2, 0, 0, 0, -4,
    0, -1, 0, -1, -1, -1, -1, -2, -2, -1, -1, -1, -1, -2, -1, 1, 5, -2, -2, 0, -1, -1, 0, -4,
    -3, -3, -4, -4, -2, -2, -3, -2, -2, -3, -2, -3, -1, 1, -4, -3, -2, 11, 2, -3, -4, -3, -2, -4,
    -2, -2, -2, -3, -2, -1, -2, -3, 2, -1, -1, -2, -1, 3, -3, -2, -2, 2, 7, -1, -3, -2, -1, -4,
    0, -3, -3, -3, -1, -2, -2, -3, -3, 3, 1, -2, 1, -1, -2, -2, 0, -3, -1, 4, -3, -2, -1, -4,
    -2, -1, 3, 4, -3, 0, 1, -1, 0, -3, -4, 0, -3, -3, -2, 0, -1, -4, -3, -3, 4, 1, -1, -4,
    -1, 0, 0, 1, -3, 3, 4, -2, 0, -3, -3, 1, -1, -3, -1, 0, -1, -3, -2, -2, 1, 4, -1, -4,
    0, -1, -1, -1, -2, -1, -1, -1, -1, -1, -1, -1, -1, -1, -2, 0, 0, -2, -1, -1, -1, -1, -1, -4,
    -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, 1,
};

static uint8_t index_of_letter[256];

typedef struct {
  uint32_t length;
  uint8_t *residues;
} Sequence;

static Sequence take_sequence(void) {
  Sequence sequence = {.length = take_u32()};
  require(sequence.length >= 1 && sequence.length <= 40000);
  sequence.residues = allocate(sequence.length);
  memcpy(sequence.residues, take_bytes(sequence.length), sequence.length);
  for (uint32_t i = 0; i < sequence.length; i++) {
    uint8_t index = index_of_letter[sequence.residues[i]];
    require(index != UNKNOWN);
    sequence.residues[i] = index;
  }
  return sequence;
}

static inline int32_t max(int32_t a, int32_t b) { return a > b ? a : b; }

static int32_t align(Sequence a, Sequence b, int32_t gap_open, int32_t gap_extend) {
  int32_t *above = allocate((b.length + 1) * sizeof *above);
  int32_t *gap_above = allocate((b.length + 1) * sizeof *gap_above);
  int32_t best = 0;
  for (uint32_t j = 0; j <= b.length; j++) gap_above[j] = NEVER;
  for (uint32_t i = 0; i < a.length; i++) {
    const int8_t *scores = SCORES + a.residues[i] * RESIDUES;
    int32_t diagonal = 0;
    int32_t left = 0;
    int32_t gap_in_a = NEVER;
    for (uint32_t j = 1; j <= b.length; j++) {
      int32_t up = above[j];
      int32_t gap_in_b = max(up - gap_open, gap_above[j] - gap_extend);
      gap_in_a = max(left - gap_open, gap_in_a - gap_extend);
      int32_t match = diagonal + 2 * scores[b.residues[j - 1]];
      left = max(max(match, 0), max(gap_in_a, gap_in_b));
      above[j] = left;
      gap_above[j] = gap_in_b;
      diagonal = up;
      best = max(best, left);
    }
  }
  free(above);
  free(gap_above);
  return best;
}

int main(void) {
  memset(index_of_letter, UNKNOWN, sizeof index_of_letter);
  for (int i = 0; i < RESIDUES; i++) index_of_letter[(uint8_t)ORDER[i]] = (uint8_t)i;
  read_input();
  uint32_t gap_open = take_u32();
  uint32_t gap_extend = take_u32();
  require(gap_extend <= gap_open && gap_open <= 10000);
  for (uint32_t pairs = take_u32(); pairs > 0; pairs--) {
    Sequence a = take_sequence();
    Sequence b = take_sequence();
    int32_t halves = align(a, b, (int32_t)gap_open, (int32_t)gap_extend);
    printf("%d%s\n", halves >> 1, halves & 1 ? ".5" : ".0");
    free(a.residues);
    free(b.residues);
  }
  return finish();
}
