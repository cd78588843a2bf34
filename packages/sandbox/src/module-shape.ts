import { AskeeError } from '@askee/core'
import { FUEL_GLOBAL, STACK_GLOBAL, STATE_GET, STATE_SET, STATE_WORDS_GLOBAL } from '@askee/wasm'

/** What the executor must know of an instrumented module before it runs. */
export interface ModuleShape {
  readonly entry: 'run' | 'step'
  /** Declared size and maximum of the memory, bytes. */
  readonly minimumMemoryBytes: number
  readonly maximumMemoryBytes: number
  /** 64-bit words of state besides memory, output and fuel; 0 for a module with `run`. */
  readonly stateWords: number
}

const PAGE_BYTES = 65_536
const HOST_FUNCTIONS: ReadonlySet<string> = new Set(['input_size', 'input_read', 'output_write', 'log'])
/** More than any admitted module has. */
const MAX_STATE_WORDS = 65_536
const I32 = 0x7f
const I64 = 0x7e

interface GlobalEntry {
  readonly type: number
  readonly mutable: boolean
  /** Value of a plain `i32.const`, else null. */
  readonly initial: number | null
}

interface Sections {
  readonly globals: GlobalEntry[]
  readonly exports: Map<string, { kind: number; index: number }>
  minimumPages: number
  maximumPages: number | null
  memories: number
  hasStart: boolean
}

/**
 * Reads the outline of an instrumented module: enough to enforce limits and to save its state. The engine validates
 * the rest; admission was long before.
 * @throws AskeeError `sandbox/module` when the module is not what `instrument` of @askee/wasm puts out
 */
export function readModuleShape(module: Uint8Array): ModuleShape {
  const sections = readSections(module)
  const memory = sections.exports.get('memory')
  if (memory?.kind !== 2 || sections.memories !== 1)
    throw refused('expected one memory, exported as "memory"')
  if (sections.maximumPages === null) throw refused('expected a memory with a declared maximum')
  if (sections.hasStart) throw refused('expected no start section: it would run before its fuel is set')
  expectCounter(sections, FUEL_GLOBAL, I64)
  expectCounter(sections, STACK_GLOBAL, I32)
  const hasRun = sections.exports.get('run')?.kind === 0
  const hasStep = sections.exports.get('step')?.kind === 0
  if (hasRun === hasStep) throw refused('expected exactly one of the functions "run" and "step"')
  return {
    entry: hasRun ? 'run' : 'step',
    minimumMemoryBytes: sections.minimumPages * PAGE_BYTES,
    maximumMemoryBytes: sections.maximumPages * PAGE_BYTES,
    stateWords: hasStep ? readStateWords(sections) : 0,
  }
}

function readStateWords(sections: Sections): number {
  const item = sections.exports.get(STATE_WORDS_GLOBAL)
  const words = item?.kind === 3 ? sections.globals[item.index]?.initial : undefined
  const hasAccess = [STATE_GET, STATE_SET].every((name) => sections.exports.get(name)?.kind === 0)
  if (words === undefined || words === null || words > MAX_STATE_WORDS || !hasAccess) {
    throw refused(`expected ${STATE_WORDS_GLOBAL}, ${STATE_GET} and ${STATE_SET} in a module with "step"`)
  }
  return words
}

function readSections(module: Uint8Array): Sections {
  const reader = new Reader(module, 0, module.byteLength)
  if (reader.u32() !== 0x6d736100 || reader.u32() !== 1) throw refused('expected WebAssembly version 1')
  const sections: Sections = {
    globals: [],
    exports: new Map(),
    minimumPages: 0,
    maximumPages: null,
    memories: 0,
    hasStart: false,
  }
  while (!reader.atEnd()) {
    const id = reader.byte()
    const body = reader.slice(reader.leb())
    if (id === 2) readImports(body)
    else if (id === 5) readMemories(body, sections)
    else if (id === 6) readGlobals(body, sections)
    else if (id === 7) readExports(body, sections)
    else if (id === 8) sections.hasStart = true
  }
  return sections
}

function readImports(reader: Reader): void {
  for (let count = reader.leb(); count > 0; count--) {
    const from = reader.name()
    const name = reader.name()
    const kind = reader.byte()
    if (from !== 'askee' || kind !== 0 || !HOST_FUNCTIONS.has(name)) {
      throw refused(`expected imports of ${[...HOST_FUNCTIONS].join(', ')} only, received ${from}.${name}`)
    }
    reader.leb()
  }
}

function readMemories(reader: Reader, sections: Sections): void {
  sections.memories = reader.leb()
  for (let index = 0; index < sections.memories; index++) {
    const flags = reader.byte()
    if (flags > 1) throw refused(`expected an unshared 32-bit memory, received flags ${flags}`)
    sections.minimumPages = reader.leb()
    if (flags === 1) sections.maximumPages = reader.leb()
  }
}

function readGlobals(reader: Reader, sections: Sections): void {
  for (let count = reader.leb(); count > 0; count--) {
    const type = reader.byte()
    const mutable = reader.byte() === 1
    sections.globals.push({ type, mutable, initial: reader.constantExpression() })
  }
}

function readExports(reader: Reader, sections: Sections): void {
  for (let count = reader.leb(); count > 0; count--) {
    const name = reader.name()
    const kind = reader.byte()
    sections.exports.set(name, { kind, index: reader.leb() })
  }
}

function expectCounter(sections: Sections, name: string, type: number): void {
  const item = sections.exports.get(name)
  const global = item?.kind === 3 ? sections.globals[item.index] : undefined
  if (global?.type !== type || !global.mutable) {
    throw refused(`expected an exported mutable global "${name}" of type ${type === I64 ? 'i64' : 'i32'}`)
  }
}

/** Bytes of a module from `offset` to `end`. */
class Reader {
  readonly #bytes: Uint8Array
  #offset: number
  readonly #end: number

  constructor(bytes: Uint8Array, offset: number, end: number) {
    this.#bytes = bytes
    this.#offset = offset
    this.#end = end
  }

  atEnd(): boolean {
    return this.#offset >= this.#end
  }

  byte(): number {
    if (this.#offset >= this.#end) throw refused(`ends too early, at byte ${this.#offset}`)
    return this.#bytes[this.#offset++]!
  }

  u32(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0
  }

  /** Unsigned LEB128 of at most 32 bits. */
  leb(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw refused(`has an overlong number at byte ${this.#offset}`)
  }

  slice(length: number): Reader {
    const start = this.#offset
    if (length > this.#end - start) throw refused(`has a section past its end at byte ${start}`)
    this.#offset += length
    return new Reader(this.#bytes, start, start + length)
  }

  skip(length: number): void {
    this.slice(length)
  }

  name(): string {
    const length = this.leb()
    const start = this.#offset
    this.skip(length)
    return new TextDecoder().decode(this.#bytes.subarray(start, start + length))
  }

  /** Skips a constant expression and its `end`. @returns the first small `i32.const` in it, or null */
  constantExpression(): number | null {
    let constant: number | null = null
    for (;;) {
      const opcode = this.byte()
      if (opcode === 0x0b) return constant
      if (opcode === 0x41) constant ??= this.#nonNegative()
      else if (opcode === 0x42 || opcode === 0x23 || opcode === 0xd2) this.#skipLeb()
      else if (opcode === 0x43) this.skip(4)
      else if (opcode === 0x44) this.skip(8)
      else if (opcode === 0xd0) this.byte()
      else if (opcode === 0xfd && this.leb() === 0x0c) this.skip(16)
      else if ((opcode < 0x6a || opcode > 0x6c) && (opcode < 0x7c || opcode > 0x7e)) {
        throw refused(`has opcode ${opcode} in a constant expression`)
      }
    }
  }

  /** Signed LEB128; a negative one counts as too large. */
  #nonNegative(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return byte >= 0x40 ? Number.POSITIVE_INFINITY : value
    }
    throw refused(`has an overlong number at byte ${this.#offset}`)
  }

  #skipLeb(): void {
    while (this.byte() >= 0x80);
  }
}

function refused(text: string): AskeeError {
  return new AskeeError('sandbox/module', `not an instrumented module: ${text}`)
}
