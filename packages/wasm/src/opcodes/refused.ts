import { refuse } from '../errors.ts'

const ONE_BYTE: ReadonlyMap<number, readonly [Parameters<typeof refuse>[0], string]> = new Map([
  [0x06, ['wasm/exceptions', 'try']],
  [0x07, ['wasm/exceptions', 'catch']],
  [0x08, ['wasm/exceptions', 'throw']],
  [0x09, ['wasm/exceptions', 'rethrow']],
  [0x0a, ['wasm/exceptions', 'throw_ref']],
  [0x18, ['wasm/exceptions', 'delegate']],
  [0x19, ['wasm/exceptions', 'catch_all']],
  [0x1f, ['wasm/exceptions', 'try_table']],
  [0x12, ['wasm/tail-call', 'return_call']],
  [0x13, ['wasm/tail-call', 'return_call_indirect']],
  [0x14, ['wasm/gc', 'call_ref']],
  [0x15, ['wasm/gc', 'return_call_ref']],
  [0x1c, ['wasm/reference-types', 'select with a type']],
  [0x25, ['wasm/reference-types', 'table.get']],
  [0x26, ['wasm/reference-types', 'table.set']],
  [0xd0, ['wasm/reference-types', 'ref.null']],
  [0xd1, ['wasm/reference-types', 'ref.is_null']],
  [0xd2, ['wasm/reference-types', 'ref.func']],
  [0xd3, ['wasm/gc', 'ref.eq']],
  [0xd4, ['wasm/gc', 'ref.as_non_null']],
  [0xd5, ['wasm/gc', 'br_on_null']],
  [0xd6, ['wasm/gc', 'br_on_non_null']],
  [0xfb, ['wasm/gc', 'garbage-collection instruction']],
  [0xfe, ['wasm/threads', 'atomic instruction']],
])

/** Refuses an instruction that version 1 does not know, by the proposal it belongs to. */
export function refuseInstruction(opcode: number, offset: number): never {
  const known = ONE_BYTE.get(opcode)
  if (known !== undefined) refuse(known[0], offset, `instruction ${known[1]}`)
  return refuse('wasm/malformed', offset, `unknown instruction 0x${opcode.toString(16)}`)
}

/** Refuses a value, reference or heap type of a proposal that version 1 does not know. */
export function refuseType(byte: number, offset: number): never {
  if (byte === 0x70 || byte === 0x6f) {
    refuse('wasm/reference-types', offset, `${byte === 0x70 ? 'funcref' : 'externref'} as a value type`)
  }
  if (byte === 0x69 || byte === 0x74) refuse('wasm/exceptions', offset, 'exception reference type')
  if ((byte >= 0x63 && byte <= 0x73) || byte === 0x77 || byte === 0x78) {
    refuse('wasm/gc', offset, `reference type 0x${byte.toString(16)}`)
  }
  return refuse('wasm/malformed', offset, `unknown type 0x${byte.toString(16)}`)
}
