/**
 * Counts the words of a text. A word is a run of the letters A to Z, capital and small taken as equal; every other
 * byte separates.
 * Input: the text. Output: one line a word, 'word count', in alphabetical order.
 */
import { DONE, MORE, Reader, require, Writer } from './kit'

/** Bytes of text after which `step` pauses: a millisecond or two. */
const BYTES_A_STEP = 1 << 16
/** Fits the memory even when every word is new. */
const LARGEST_TEXT = 1 << 17
const FIRST_SLOTS = 1 << 10

let text: StaticArray<u8> = new StaticArray<u8>(0)
let started = false
let position: i32 = 0

// One entry a different word: where its first occurrence stands in the text, and how often it occurs.
const starts = new Array<i32>()
const lengths = new Array<i32>()
const counts = new Array<u32>()
/** Open addressing with linear probing: entry + 1, or 0 for an empty slot. At most half full. */
let slots: StaticArray<i32> = new StaticArray<i32>(FIRST_SLOTS)

export function step(): i32 {
  if (!started) start()
  const pause = position + BYTES_A_STEP
  while (position < text.length && position < pause) countNextWord()
  if (position < text.length) return MORE
  writeHistogram()
  return DONE
}

function start(): void {
  const input = new Reader()
  require(input.remaining <= LARGEST_TEXT)
  text = input.byteArray(input.remaining)
  for (let i = 0; i < text.length; i++) unchecked((text[i] = lowerCase(text[i])))
  started = true
}

/** The small letter, or 0 for a byte that separates. */
function lowerCase(byte: u8): u8 {
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x7a ? letter : 0
}

function countNextWord(): void {
  const end = text.length
  while (position < end && unchecked(text[position]) == 0) position++
  const from = position
  let hash: u32 = 2166136261 // FNV-1a
  while (position < end && unchecked(text[position]) != 0) {
    hash = (hash ^ unchecked(text[position++])) * 16777619
  }
  if (position > from) count(from, position - from, hash)
}

function count(from: i32, length: i32, hash: u32): void {
  const mask = slots.length - 1
  let slot = <i32>hash & mask
  while (true) {
    const entry = unchecked(slots[slot]) - 1
    if (entry < 0) break
    if (lengths[entry] == length && compareBytes(starts[entry], from, length) == 0) {
      counts[entry]++
      return
    }
    slot = (slot + 1) & mask
  }
  starts.push(from)
  lengths.push(length)
  counts.push(1)
  unchecked((slots[slot] = counts.length))
  if (2 * counts.length > slots.length) growSlots()
}

function growSlots(): void {
  slots = new StaticArray<i32>(2 * slots.length)
  const mask = slots.length - 1
  for (let entry = 0; entry < counts.length; entry++) {
    let hash: u32 = 2166136261
    for (let i = 0; i < lengths[entry]; i++) hash = (hash ^ text[starts[entry] + i]) * 16777619
    let slot = <i32>hash & mask
    while (slots[slot] != 0) slot = (slot + 1) & mask
    slots[slot] = entry + 1
  }
}

function compareBytes(one: i32, other: i32, length: i32): i32 {
  const base = changetype<usize>(text)
  return memory.compare(base + one, base + other, length)
}

function compareWords(one: i32, other: i32): i32 {
  const order = compareBytes(starts[one], starts[other], min(lengths[one], lengths[other]))
  return order != 0 ? order : lengths[one] - lengths[other]
}

function writeHistogram(): void {
  const order = new Array<i32>(counts.length)
  let size = 0
  for (let entry = 0; entry < counts.length; entry++) {
    order[entry] = entry
    size += lengths[entry] + 12 // a space, at most ten digits, a line feed
  }
  order.sort(compareWords)
  const output = new Writer(size)
  for (let i = 0; i < order.length; i++) {
    const entry = order[i]
    output.copy(changetype<usize>(text) + starts[entry], lengths[entry])
    output.u8(0x20)
    writeDecimal(output, counts[entry])
    output.u8(0x0a)
  }
  output.flush()
}

/** Without a string: a text of many words must not fill the memory with their counts. */
function writeDecimal(output: Writer, value: u32): void {
  let unit: u32 = 1
  while (value / unit >= 10) unit *= 10
  for (; unit > 0; unit /= 10) output.u8(<u8>(0x30 + ((value / unit) % 10)))
}
