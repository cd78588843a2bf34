/* assembly/word-histogram.ts in C. */
#include "task.h"

typedef struct {
  uint32_t start;
  uint32_t length;
  uint32_t count;
} Entry;

static uint8_t *text;
static Entry *entries;
static uint32_t entry_count;
static uint32_t entry_capacity = 1024;
static uint32_t *slots;
static uint32_t slot_count = 1 << 10;

static uint8_t lower_case(uint8_t byte) {
  uint8_t letter = byte | 0x20;
  return letter >= 'a' && letter <= 'z' ? letter : 0;
}

static void grow_slots(void) {
  free(slots);
  slot_count *= 2;
  slots = allocate(slot_count * sizeof *slots);
  for (uint32_t entry = 0; entry < entry_count; entry++) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < entries[entry].length; i++) {
      hash = (hash ^ text[entries[entry].start + i]) * 16777619u;
    }
    uint32_t slot = hash & (slot_count - 1);
    while (slots[slot] != 0) slot = (slot + 1) & (slot_count - 1);
    slots[slot] = entry + 1;
  }
}

static void count_word(uint32_t from, uint32_t length, uint32_t hash) {
  uint32_t slot = hash & (slot_count - 1);
  for (; slots[slot] != 0; slot = (slot + 1) & (slot_count - 1)) {
    Entry *entry = &entries[slots[slot] - 1];
    if (entry->length == length && memcmp(text + entry->start, text + from, length) == 0) {
      entry->count++;
      return;
    }
  }
  if (entry_count == entry_capacity) {
    entry_capacity *= 2;
    entries = realloc(entries, entry_capacity * sizeof *entries);
    require(entries != NULL);
  }
  entries[entry_count++] = (Entry){from, length, 1};
  slots[slot] = entry_count;
  if (2 * entry_count > slot_count) grow_slots();
}

static int compare_words(const void *one, const void *other) {
  const Entry *a = one;
  const Entry *b = other;
  int order = memcmp(text + a->start, text + b->start, a->length < b->length ? a->length : b->length);
  return order != 0 ? order : (int)a->length - (int)b->length;
}

int main(void) {
  read_input();
  size_t length = input_left;
  text = allocate(length);
  memcpy(text, take_bytes(length), length);
  for (size_t i = 0; i < length; i++) text[i] = lower_case(text[i]);
  entries = allocate(entry_capacity * sizeof *entries);
  slots = allocate(slot_count * sizeof *slots);
  for (size_t position = 0; position < length;) {
    while (position < length && text[position] == 0) position++;
    size_t from = position;
    uint32_t hash = 2166136261u;
    while (position < length && text[position] != 0) hash = (hash ^ text[position++]) * 16777619u;
    if (position > from) count_word((uint32_t)from, (uint32_t)(position - from), hash);
  }
  qsort(entries, entry_count, sizeof *entries, compare_words);
  for (uint32_t i = 0; i < entry_count; i++) {
    fwrite(text + entries[i].start, 1, entries[i].length, stdout);
    printf(" %u\n", entries[i].count);
  }
  return finish();
}
