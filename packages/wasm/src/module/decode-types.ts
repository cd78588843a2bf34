import type { ByteReader } from '../binary/reader.ts'
import { refuse } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { readLimits, readTable, readValueType } from './decode-shared.ts'
import type * as model from './model.ts'
import { EXTERNAL_FUNCTION, EXTERNAL_GLOBAL, EXTERNAL_MEMORY, EXTERNAL_TABLE, SECTION } from './model.ts'

/** The module while its sections are read. */
export class ModuleDraft implements model.Module {
  readonly bytes: Uint8Array
  readonly raw = new Map<number, model.RawSection>()
  readonly types: model.FunctionType[] = []
  readonly imports: model.ModuleImport[] = []
  readonly functions: number[] = []
  importedFunctions = 0
  table: model.Limits | null = null
  memory: model.Limits | null = null
  readonly globals: model.GlobalType[] = []
  readonly exports: model.ModuleExport[] = []
  start: model.Module['start'] = null
  readonly elements: model.ElementSegment[] = []
  dataCount: number | null = null
  readonly bodies: { start: number; end: number }[] = []
  readonly data: model.DataSegment[] = []

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  keepRaw(id: number, count: number, reader: ByteReader): void {
    this.raw.set(id, { count, start: reader.pos, end: reader.end })
  }

  addTable(table: model.Limits): void {
    if (this.table !== null) refuse('wasm/reference-types', table.offset, 'a second table')
    this.table = table
  }

  addMemory(memory: model.Limits): void {
    if (this.memory !== null) refuse('wasm/multi-memory', memory.offset, 'a second memory')
    this.memory = memory
  }

  typeIndex(reader: ByteReader): number {
    const offset = reader.pos
    const index = reader.u32()
    if (index >= this.types.length) refuse('wasm/invalid', offset, `type ${index}, which does not exist,`)
    return index
  }

  mutability(reader: ByteReader): boolean {
    const offset = reader.pos
    const byte = reader.u8()
    if (byte === 2 || byte === 3) refuse('wasm/threads', offset, 'shared global')
    if (byte > 1) refuse('wasm/malformed', offset, 'unknown mutability')
    return byte === 1
  }
}

export function readTypesAndImports(id: number, reader: ByteReader, draft: ModuleDraft): void {
  if (id === SECTION.type) readTypes(reader, draft)
  else readImports(reader, draft)
}

function readTypes(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.types, 'types')
  draft.keepRaw(SECTION.type, count, reader)
  for (let index = 0; index < count; index++) {
    const offset = reader.pos
    const form = reader.u8()
    if (form !== 0x60) {
      if ([0x4d, 0x4e, 0x4f, 0x50, 0x5e, 0x5f].includes(form)) {
        refuse('wasm/gc', offset, 'type that is not a function')
      }
      if (form === 0x65) refuse('wasm/threads', offset, 'shared type')
      refuse('wasm/malformed', offset, 'unknown form of type')
    }
    const params = readValueTypes(reader, LIMITS.params, 'parameters')
    const results = readValueTypes(reader, LIMITS.results, 'results')
    draft.types.push({ params, results })
  }
}

function readValueTypes(reader: ByteReader, limit: number, what: string): Uint8Array {
  const types = new Uint8Array(reader.count(limit, what))
  for (let index = 0; index < types.length; index++) types[index] = readValueType(reader)
  return types
}

function readImports(reader: ByteReader, draft: ModuleDraft): void {
  const count = reader.count(LIMITS.imports, 'imports')
  draft.keepRaw(SECTION.import, count, reader)
  for (let index = 0; index < count; index++) {
    const offset = reader.pos
    const module = reader.name(LIMITS.nameBytes)
    const name = reader.name(LIMITS.nameBytes)
    const at = reader.pos
    const kind = reader.u8()
    let typeIndex = 0
    if (kind === EXTERNAL_FUNCTION) {
      typeIndex = draft.typeIndex(reader)
      draft.functions.push(typeIndex)
      draft.importedFunctions++
    } else if (kind === EXTERNAL_TABLE) {
      draft.addTable(readTable(reader, 'imported'))
    } else if (kind === EXTERNAL_MEMORY) {
      draft.addMemory(readLimits(reader, 'memory', 'imported'))
    } else if (kind === EXTERNAL_GLOBAL) {
      const type = readValueType(reader)
      draft.globals.push({ type, mutable: draft.mutability(reader), imported: true })
    } else if (kind === 4) {
      refuse('wasm/exceptions', at, 'import of a tag')
    } else {
      refuse('wasm/malformed', at, 'import of an unknown kind')
    }
    draft.imports.push({ module, name, kind, offset, typeIndex })
  }
}
