import type { ByteReader } from '../binary/reader.ts'
import { refuse } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { refuseType } from '../opcodes/refused.ts'
import { isValueType } from '../opcodes/types.ts'
import type { Limits } from './model.ts'

export type Origin = 'imported' | 'defined'

export function readValueType(reader: ByteReader): number {
  const offset = reader.pos
  const byte = reader.u8()
  return isValueType(byte) ? byte : refuseType(byte, offset)
}

/** `funcref`, the one reference type of tables and segments. */
export function readFunctionReferenceType(reader: ByteReader): void {
  const offset = reader.pos
  const byte = reader.u8()
  if (byte === 0x70) return
  refuseType(byte, offset)
}

export function readTable(reader: ByteReader, origin: Origin): Limits {
  const offset = reader.pos
  if (reader.bytes[offset] === 0x40) refuse('wasm/gc', offset, 'table with an initial value')
  readFunctionReferenceType(reader)
  return readLimits(reader, 'table', origin)
}

export function readLimits(reader: ByteReader, what: 'memory' | 'table', origin: Origin): Limits {
  const offset = reader.pos
  const flags = reader.u8()
  if (flags === 2 || flags === 3) refuse('wasm/threads', offset, `shared ${what}`)
  if (flags >= 4 && flags <= 7) refuse('wasm/memory64', offset, `64-bit ${what}`)
  if (flags > 1) refuse('wasm/malformed', offset, `unknown limits of a ${what}`)
  const min = reader.u32()
  const max = flags === 1 ? reader.u32() : null
  if (what === 'memory' && (min > LIMITS.memoryPages || (max ?? 0) > LIMITS.memoryPages)) {
    refuse('wasm/invalid', offset, 'memory of more than 4 GiB')
  }
  if (max !== null && min > max) refuse('wasm/invalid', offset, `${what} with a minimum above its maximum`)
  if (what === 'table' && min > LIMITS.tableElements) {
    refuse('wasm/too-large', offset, `table of ${min} elements, at most ${LIMITS.tableElements} allowed,`)
  }
  return { min, max, imported: origin === 'imported', offset }
}
