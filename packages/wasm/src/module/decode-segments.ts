import type { ByteReader } from '../binary/reader.ts'
import { refuse } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { I32 } from '../opcodes/types.ts'
import { constantExpression } from './constant-expression.ts'
import { readFunctionReferenceType } from './decode-shared.ts'
import type { ModuleDraft } from './decode-types.ts'
import { type ConstantExpression, SECTION } from './model.ts'

/** Bits of the flags of an element segment. */
const PASSIVE_OR_DECLARATIVE = 1
const EXPLICIT_INDEX_OR_DECLARATIVE = 2
const EXPRESSIONS = 4

export function readElementSection(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.elementSegments, 'element segments')
  draft.keepRaw(SECTION.element, count, reader)
  for (let index = 0; index < count; index++) readElementSegment(reader, draft)
}

function readElementSegment(reader: ByteReader, draft: ModuleDraft): void {
  const offset = reader.pos
  const flags = reader.u32()
  if (flags > 7) refuse('wasm/malformed', offset, `element segment of unknown kind ${flags}`)
  let at: ConstantExpression | null = null
  if ((flags & PASSIVE_OR_DECLARATIVE) === 0) {
    const table = (flags & EXPLICIT_INDEX_OR_DECLARATIVE) === 0 ? 0 : reader.u32()
    if (table !== 0) refuse('wasm/invalid', offset, `element segment of table ${table}`)
    if (draft.table === null) refuse('wasm/invalid', offset, 'element segment without a table')
    at = constantExpression(reader, I32, draft.globals)
  }
  if ((flags & 3) !== 0) {
    if ((flags & EXPRESSIONS) !== 0) readFunctionReferenceType(reader)
    else if (reader.u8() !== 0) refuse('wasm/malformed', reader.pos - 1, 'element segment of unknown kind')
  }
  const items = new Int32Array(reader.count(LIMITS.elementItems, 'elements'))
  for (let index = 0; index < items.length; index++) {
    items[index] = (flags & EXPRESSIONS) === 0 ? functionIndex(reader, draft) : elementItem(reader, draft)
  }
  draft.elements.push({ offset, flags, at, items })
}

function functionIndex(reader: ByteReader, draft: ModuleDraft): number {
  const offset = reader.pos
  const index = reader.u32()
  if (index >= draft.functions.length)
    refuse('wasm/invalid', offset, `function ${index}, which does not exist,`)
  return index
}

/** `ref.func f` or `ref.null func`, then `end`. */
function elementItem(reader: ByteReader, draft: ModuleDraft): number {
  const offset = reader.pos
  const opcode = reader.u8()
  let index = -1
  if (opcode === 0xd2) index = functionIndex(reader, draft)
  else if (opcode === 0xd0) readFunctionReferenceType(reader)
  else if (opcode === 0x23) refuse('wasm/reference-types', offset, 'element from a global')
  else if (opcode === 0xfb) refuse('wasm/gc', offset, 'garbage-collection instruction')
  else refuse('wasm/invalid', offset, 'element that is no function reference')
  if (reader.u8() !== 0x0b) refuse('wasm/invalid', reader.pos - 1, 'element of more than one instruction')
  return index
}

export function readDataSection(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.dataSegments, 'data segments')
  draft.keepRaw(SECTION.data, count, reader)
  for (let index = 0; index < count; index++) {
    const offset = reader.pos
    const flags = reader.u32()
    if (flags > 2) refuse('wasm/malformed', offset, `data segment of unknown kind ${flags}`)
    let at: ConstantExpression | null = null
    if (flags !== 1) {
      const memory = flags === 2 ? reader.u32() : 0
      if (memory !== 0) refuse('wasm/multi-memory', offset, `data segment of memory ${memory}`)
      if (draft.memory === null) refuse('wasm/invalid', offset, 'data segment without a memory')
      at = constantExpression(reader, I32, draft.globals)
    }
    const length = reader.u32()
    reader.skip(length)
    draft.data.push({ offset, at, length })
  }
}
