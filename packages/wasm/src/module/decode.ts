import { ByteReader } from '../binary/reader.ts'
import { refuse } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { constantExpression } from './constant-expression.ts'
import { readDataSection, readElementSection } from './decode-segments.ts'
import { readLimits, readTable, readValueType } from './decode-shared.ts'
import { ModuleDraft, readTypesAndImports } from './decode-types.ts'
import { EXTERNAL_GLOBAL, type Module, SECTION } from './model.ts'

/** Order in which sections must come: the data count stands before the code. */
const ORDER: ReadonlyMap<number, number> = new Map(
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11].map((id, index) => [id, index + 1]),
)

/**
 * Everything but the function bodies, checked: WebAssembly core specification, chapter 5 (binary format) and
 * the module part of chapter 3 (validation).
 * @throws AskeeError `wasm/*`
 */
export function decodeModule(bytes: Uint8Array): Module {
  if (bytes.byteLength > LIMITS.moduleBytes) {
    refuse('wasm/too-large', LIMITS.moduleBytes, `module of ${bytes.byteLength} bytes`)
  }
  const reader = new ByteReader(bytes)
  readHeader(reader)
  const draft = new ModuleDraft(bytes)
  let last = 0
  while (!reader.atEnd) {
    const offset = reader.pos
    const id = reader.u8()
    const size = reader.u32()
    if (size > reader.end - reader.pos) refuse('wasm/malformed', offset, 'section longer than the module')
    const section = new ByteReader(bytes, reader.pos, reader.pos + size)
    reader.skip(size)
    if (id === SECTION.custom) {
      section.name(LIMITS.moduleBytes)
      continue
    }
    const place = ORDER.get(id)
    if (place === undefined) return refuseSection(id, offset)
    if (place <= last) refuse('wasm/malformed', offset, `section ${id} twice or out of order`)
    last = place
    readSection(id, section, draft)
    if (!section.atEnd) refuse('wasm/malformed', section.pos, `bytes after the end of section ${id}`)
  }
  return finish(draft, reader.pos)
}

function readHeader(reader: ByteReader): void {
  const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
  for (const expected of magic) {
    const offset = reader.pos
    if (reader.u8() !== expected) refuse('wasm/malformed', offset, 'not a WebAssembly 1 module')
  }
}

function refuseSection(id: number, offset: number): never {
  if (id === 13) refuse('wasm/exceptions', offset, 'tag section')
  if (id === 14) refuse('wasm/gc', offset, 'string section')
  return refuse('wasm/malformed', offset, `unknown section ${id}`)
}

function readSection(id: number, reader: ByteReader, draft: ModuleDraft): void {
  switch (id) {
    case SECTION.type:
    case SECTION.import:
      readTypesAndImports(id, reader, draft)
      return
    case SECTION.function:
      readFunctions(reader, draft)
      return
    case SECTION.table:
      readTables(reader, draft)
      return
    case SECTION.memory:
      readMemories(reader, draft)
      return
    case SECTION.global:
      readGlobals(reader, draft)
      return
    case SECTION.export:
      readExports(reader, draft)
      return
    case SECTION.start:
      readStart(reader, draft)
      return
    case SECTION.element:
      readElementSection(reader, draft)
      return
    case SECTION.dataCount:
      draft.dataCount = reader.u32()
      return
    case SECTION.code:
      readBodies(reader, draft)
      return
    default:
      readDataSection(reader, draft)
      return
  }
}

function readFunctions(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.functions - draft.functions.length, 'functions')
  draft.keepRaw(SECTION.function, count, reader)
  for (let index = 0; index < count; index++) draft.functions.push(draft.typeIndex(reader))
}

function readTables(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.functions, 'tables')
  draft.keepRaw(SECTION.table, count, reader)
  for (let index = 0; index < count; index++) draft.addTable(readTable(reader, 'defined'))
}

function readMemories(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.functions, 'memories')
  draft.keepRaw(SECTION.memory, count, reader)
  for (let index = 0; index < count; index++) draft.addMemory(readLimits(reader, 'memory', 'defined'))
}

function readGlobals(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.globals - draft.globals.length, 'globals')
  draft.keepRaw(SECTION.global, count, reader)
  for (let index = 0; index < count; index++) {
    const type = readValueType(reader)
    const mutable = draft.mutability(reader)
    constantExpression(reader, type, draft.globals)
    draft.globals.push({ type, mutable, imported: false })
  }
}

function readExports(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.exports, 'exports')
  draft.keepRaw(SECTION.export, count, reader)
  const names = new Set<string>()
  for (let position = 0; position < count; position++) {
    const offset = reader.pos
    const name = reader.name(LIMITS.nameBytes)
    if (names.has(name)) refuse('wasm/invalid', offset, 'two exports of one name')
    names.add(name)
    const at = reader.pos
    const kind = reader.u8()
    const index = reader.u32()
    if (kind === 4) refuse('wasm/exceptions', at, 'export of a tag')
    if (kind > EXTERNAL_GLOBAL) refuse('wasm/malformed', at, 'export of an unknown kind')
    const table = draft.table === null ? 0 : 1
    const memory = draft.memory === null ? 0 : 1
    const space = [draft.functions.length, table, memory, draft.globals.length][kind] as number
    if (index >= space) refuse('wasm/invalid', at, `export of index ${index}, which does not exist,`)
    draft.exports.push({ name, kind, index, offset })
  }
}

function readStart(reader: ByteReader, draft: ModuleDraft): void {
  const offset = reader.pos
  const index = reader.u32()
  const type = draft.types[draft.functions[index] ?? -1]
  if (type === undefined) refuse('wasm/invalid', offset, 'start function that does not exist')
  if (type.params.length + type.results.length > 0) {
    refuse('wasm/invalid', offset, 'start function with parameters or results')
  }
  draft.start = { index, offset }
}

function readBodies(reader: ByteReader, draft: ModuleDraft): void {
  const offset = reader.pos
  const count = reader.count(LIMITS.functions, 'function bodies')
  const defined = draft.functions.length - draft.importedFunctions
  if (count !== defined) refuse('wasm/malformed', offset, `${count} bodies for ${defined} functions`)
  for (let index = 0; index < count; index++) {
    const at = reader.pos
    const size = reader.u32()
    if (size > LIMITS.bodyBytes) refuse('wasm/too-large', at, `function body of ${size} bytes`)
    const start = reader.pos
    reader.skip(size)
    draft.bodies.push({ start, end: reader.pos })
  }
}

function finish(draft: ModuleDraft, offset: number): Module {
  const defined = draft.functions.length - draft.importedFunctions
  if (draft.bodies.length !== defined) {
    refuse('wasm/malformed', offset, `${draft.bodies.length} bodies for ${defined} functions`)
  }
  if (draft.dataCount !== null && draft.dataCount !== draft.data.length) {
    refuse('wasm/malformed', offset, `data count ${draft.dataCount} for ${draft.data.length} segments`)
  }
  return draft
}
