import type { Prng } from './prng.ts'

/** A copy of `bytes` that is damaged in one to four places: bits, bytes, cuts, insertions, blocks copied about. */
export function mutate(bytes: Uint8Array, random: Prng): Uint8Array {
  let out: Uint8Array = bytes.slice()
  const times = 1 + random.below(4)
  for (let index = 0; index < times; index++) out = mutateOnce(out, random)
  return out
}

const TELLING = [
  0x00, 0x01, 0x0b, 0x40, 0x7f, 0x7b, 0x70, 0x80, 0xff, 0xfc, 0xfd, 0xfe, 0xfb, 0x05, 0x03, 0x0f,
]

function mutateOnce(bytes: Uint8Array, random: Prng): Uint8Array {
  if (bytes.length < 9) return Uint8Array.of(random.below(256))
  // Most damage spares the header: a module that ends at byte 4 teaches nothing.
  const at = random.chance(95) ? 8 + random.below(bytes.length - 8) : random.below(bytes.length)
  const choice = random.below(8)
  if (choice <= 1) {
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
    return bytes
  }
  if (choice === 2) {
    bytes[at] = random.below(256)
    return bytes
  }
  if (choice === 3) {
    bytes[at] = random.pick(TELLING)
    return bytes
  }
  if (choice === 4) return bytes.slice(0, at)
  const length = 1 + random.below(Math.min(8, bytes.length - at))
  if (choice === 5) return join(bytes.subarray(0, at), bytes.subarray(at + length))
  if (choice === 6) return join(bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at))
  const source = random.below(bytes.length - length + 1)
  bytes.copyWithin(at, source, source + length)
  return bytes
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
