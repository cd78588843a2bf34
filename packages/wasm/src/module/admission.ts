import { quoted, refuse } from '../errors.ts'
import { I32, V128 } from '../opcodes/types.ts'
import {
  EXTERNAL_FUNCTION,
  EXTERNAL_MEMORY,
  type FunctionType,
  type Module,
  type ModuleExport,
} from './model.ts'

/** Which contract a module is held to: the interface of tasks, or none (`--no-abi`). */
export type Abi = 'askee' | 'none'

/** What admission found out. */
export interface Admission {
  readonly abi: Abi
  /** How the task is entered; null without the interface of tasks. */
  readonly entry: 'run' | 'step' | null
  /** Pages of 64 KiB. */
  readonly memory: { readonly min: number; readonly max: number | null } | null
  /** Functions defined, without imported ones. */
  readonly functions: number
  /** Names imported from module `askee`. */
  readonly imports: readonly string[]
}

export const RESERVED_PREFIX = 'askee_'
export const ABI_MODULE = 'askee'
const PAGE_BYTES = 65_536

/** Functions a task may import, with their parameters and results (all i32). */
export const ABI_IMPORTS: ReadonlyMap<string, { readonly params: number; readonly results: number }> =
  new Map([
    ['input_size', { params: 0, results: 1 }],
    ['input_read', { params: 3, results: 1 }],
    ['output_write', { params: 2, results: 0 }],
    ['log', { params: 2, results: 0 }],
  ])

/**
 * Holds a decoded module to its contract.
 * @throws AskeeError `wasm/*`
 */
export function admit(module: Module, abi: Abi): Admission {
  for (const { name, offset } of module.exports) {
    if (name.startsWith(RESERVED_PREFIX)) {
      refuse('wasm/reserved-export', offset, `export ${quoted(name)}, a name kept for the pass,`)
    }
  }
  const { memory } = module
  const shape = {
    abi,
    memory: memory === null ? null : { min: memory.min, max: memory.max },
    functions: module.bodies.length,
  }
  if (abi === 'none') return { ...shape, entry: null, imports: [] }
  const imports = admitImports(module)
  if (memory !== null && memory.max === null) {
    refuse('wasm/memory-unbounded', memory.offset, 'memory without a maximum')
  }
  if (!module.exports.some(({ name, kind }) => name === 'memory' && kind === EXTERNAL_MEMORY)) {
    refuse('wasm/missing-export', module.bytes.byteLength, 'no memory exported as "memory"')
  }
  const entry = admitEntry(module)
  admitSegments(module)
  if (entry === 'step') admitCheckpoint(module)
  return { ...shape, entry, imports }
}

function admitImports(module: Module): string[] {
  const names = new Set<string>()
  for (const { module: from, name, kind, offset, typeIndex } of module.imports) {
    const expected = from === ABI_MODULE ? ABI_IMPORTS.get(name) : undefined
    const type = module.types[typeIndex]
    const known = expected !== undefined && kind === EXTERNAL_FUNCTION && type !== undefined
    if (!known || !isI32Only(type, expected.params, expected.results)) {
      refuse('wasm/unknown-import', offset, `import ${quoted(`${from}.${name}`)}`)
    }
    names.add(name)
  }
  return [...names]
}

function isI32Only(type: FunctionType, params: number, results: number): boolean {
  return (
    type.params.length === params &&
    type.results.length === results &&
    type.params.every((param) => param === I32) &&
    type.results.every((result) => result === I32)
  )
}

function admitEntry(module: Module): 'run' | 'step' {
  const run = module.exports.find(({ name }) => name === 'run')
  const step = module.exports.find(({ name }) => name === 'step')
  if (run !== undefined && step !== undefined) {
    refuse('wasm/ambiguous-entry', step.offset, 'both run and step exported, one is allowed,')
  }
  const found = run ?? step
  if (found === undefined)
    return refuse('wasm/missing-export', module.bytes.byteLength, 'neither run nor step')
  admitEntryType(module, found, found === step ? 1 : 0)
  return found === step ? 'step' : 'run'
}

function admitEntryType(module: Module, found: ModuleExport, results: number): void {
  const type = module.types[module.functions[found.index] ?? -1]
  if (found.kind !== EXTERNAL_FUNCTION || type === undefined || !isI32Only(type, 0, results)) {
    refuse('wasm/missing-export', found.offset, `export ${found.name} of another type`)
  }
}

/** Active segments are written before the first charge, so whether they fit may not depend on an engine. */
function admitSegments(module: Module): void {
  for (const { at, items, offset } of module.elements) {
    if (at === null) continue
    if (((at.i32 ?? 0) >>> 0) + items.length > (module.table?.min ?? 0)) {
      refuse('wasm/segment-out-of-bounds', offset, 'element segment outside of the table')
    }
  }
  for (const { at, length, offset } of module.data) {
    if (at === null) continue
    if (((at.i32 ?? 0) >>> 0) + length > (module.memory?.min ?? 0) * PAGE_BYTES) {
      refuse('wasm/segment-out-of-bounds', offset, 'data segment outside of the initial memory')
    }
  }
}

/** The state between two steps is memory and globals that can be read bit for bit. */
function admitCheckpoint(module: Module): void {
  const vector = module.globals.findIndex(({ mutable, type }) => mutable && type === V128)
  if (vector >= 0) {
    refuse('wasm/not-checkpointable', module.raw.get(6)?.start ?? 0, `mutable vector in global ${vector}`)
  }
}
