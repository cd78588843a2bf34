import { concat, utf8 } from '@askee/core'

const GLOBAL_SECTION = 6
const EXPORT_SECTION = 7

/**
 * The module with every mutable global exported as `global:<index>`, which the determinism pass does for checkpoints. For
 * modules of the AssemblyScript compiler alone: no imported globals, one constant as initial value each.
 */
export function exportGlobals(module: Uint8Array): Uint8Array {
  let mutable: number[] = []
  const parts: Uint8Array[] = [module.slice(0, 8)]
  for (const { id, body } of sections(module)) {
    if (id === GLOBAL_SECTION) mutable = mutableGlobals(body)
    parts.push(id === EXPORT_SECTION ? section(id, withGlobals(body, mutable)) : section(id, body))
  }
  return concat(...parts)
}

function* sections(module: Uint8Array): Generator<{ id: number; body: Uint8Array }> {
  const cursor = { at: 8 }
  while (cursor.at < module.length) {
    const id = module[cursor.at++]!
    const length = readLeb(module, cursor)
    yield { id, body: module.slice(cursor.at, cursor.at + length) }
    cursor.at += length
  }
}

function mutableGlobals(body: Uint8Array): number[] {
  const cursor = { at: 0 }
  const mutable: number[] = []
  const count = readLeb(body, cursor)
  for (let index = 0; index < count; index++) {
    cursor.at++ // value type
    if (body[cursor.at++] === 1) mutable.push(index)
    const opcode = body[cursor.at++]
    if (opcode === 0x41 || opcode === 0x42) readLeb(body, cursor)
    else if (opcode === 0x44) cursor.at += 8
    else throw new Error(`expected i32.const, i64.const or f64.const, received opcode ${opcode}`)
    cursor.at++ // end
  }
  return mutable
}

function withGlobals(body: Uint8Array, globals: readonly number[]): Uint8Array {
  const cursor = { at: 0 }
  const count = readLeb(body, cursor)
  const entries = globals.map((index) => {
    const name = utf8(`global:${index}`)
    return concat(leb(name.length), name, Uint8Array.of(3), leb(index))
  })
  return concat(leb(count + globals.length), body.slice(cursor.at), ...entries)
}

function section(id: number, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(id), leb(body.length), body)
}

function readLeb(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[cursor.at++]!
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
}

function leb(value: number): Uint8Array {
  const out = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.of(...out, rest)
    out.push((rest & 0x7f) | 0x80)
  }
}
