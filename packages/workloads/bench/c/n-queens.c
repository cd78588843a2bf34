/* assembly/n-queens.ts in C. */
#include "task.h"

#define LARGEST_N 24

static uint32_t columns[LARGEST_N + 1];
static uint32_t rising[LARGEST_N + 1];
static uint32_t falling[LARGEST_N + 1];
static uint32_t open_squares[LARGEST_N + 1];

static inline void open_row(int n, int at, uint32_t column, uint32_t rise, uint32_t fall) {
  columns[at] = column;
  rising[at] = rise;
  falling[at] = fall;
  open_squares[at] = ((1u << n) - 1) & ~(column | rise | fall);
}

static inline void descend(int n, int row, uint32_t queen) {
  open_row(n, row + 1, columns[row] | queen, (rising[row] | queen) << 1, (falling[row] | queen) >> 1);
}

/* Reads a beginning onto the board; the row at which the search goes on, below `prefix_rows` when there is none. */
static int place_beginning(int n, int prefix_rows) {
  int row = 0;
  open_row(n, 0, 0, 0, 0);
  for (int i = 0; i < prefix_rows; i++) {
    int column = take_u8();
    require(column < n);
    uint32_t queen = 1u << column;
    if (row < i) continue;
    if (open_squares[i] & queen) descend(n, row++, queen);
  }
  return row;
}

static uint64_t search(int n, int prefix_rows, int row) {
  uint64_t solutions = 0;
  while (row >= prefix_rows) {
    uint32_t candidates = open_squares[row];
    if (candidates == 0) {
      row--;
      continue;
    }
    uint32_t queen = candidates & -candidates;
    open_squares[row] = candidates ^ queen;
    if (row == n - 1) solutions++;
    else descend(n, row++, queen);
  }
  return solutions;
}

int main(void) {
  read_input();
  int n = (int)take_u32();
  int prefix_rows = (int)take_u32();
  uint32_t beginnings = take_u32();
  require(n >= 1 && n <= LARGEST_N && prefix_rows >= 0 && prefix_rows < n);
  uint64_t solutions = 0;
  for (uint32_t i = 0; i < beginnings; i++) {
    int row = place_beginning(n, prefix_rows);
    solutions += search(n, prefix_rows, row);
  }
  printf("%llu", (unsigned long long)solutions);
  return finish();
}
