import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../src/binary/writer.ts'
import { type Abi, check, instrument, LIMITS, WASM_ERROR_CODES, type WasmError } from '../src/index.ts'
import { type Code, i32, ModuleBuilder, type, u32 } from '../src/testing/index.ts'
import { task } from './support/bodies.ts'

function refusal(bytes: Uint8Array, abi: Abi = 'askee'): WasmError {
  try {
    instrument(bytes, { abi })
  } catch (error) {
    return error as WasmError
  }
  throw new Error('admitted')
}

/** A task but for what `change` does to it. */
function changed(change: (builder: ModuleBuilder) => void): Uint8Array {
  const builder = new ModuleBuilder().memory(1, 2).exportMemory()
  change(builder)
  return builder.exportFunction('run', builder.func([], [], [], [])).bytes()
}

/** A task with a raw global section entry, so that any type and constant can stand there. */
const globalOf = (valueType: number, init: Code): Uint8Array =>
  changed((builder) => {
    builder.global(valueType, 'constant', init)
  })

const withTable = (change: (builder: ModuleBuilder) => void): Uint8Array =>
  changed((builder) => change(builder.table(2)))

const step = (code: Code, prepare: (builder: ModuleBuilder) => void = () => {}): Uint8Array => {
  const builder = new ModuleBuilder().memory(1, 2).exportMemory().table(1)
  prepare(builder)
  return builder.exportFunction('step', builder.func([], [type.i32], [], [code, i32(0)])).bytes()
}

const shuffled = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.of(...bytes.slice(0, 8), 13, 1, 0, ...bytes.slice(8))

const ROOTS_BYTES = 2 * 380_000

const CASES: readonly (readonly [offence: string, code: string, bytes: Uint8Array])[] = [
  ['an empty file', 'wasm/malformed', new Uint8Array(0)],
  ['another version', 'wasm/malformed', Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0)],
  ['an unknown instruction', 'wasm/malformed', task([0xff])],
  ['a number that does not fit', 'wasm/malformed', task([0x41, 0x80, 0x80, 0x80, 0x80, 0x40, 0x1a])],
  ['a missing operand', 'wasm/invalid', task([0x6a, 0x1a])],
  ['an operand of another type', 'wasm/invalid', task([i32(1), 0x43, 0, 0, 0, 0, 0x6a, 0x1a])],
  ['a value left over', 'wasm/invalid', task([i32(1)])],
  ['a branch to nowhere', 'wasm/invalid', task([0x0c, 9])],
  ['a large alignment', 'wasm/invalid', task([i32(0), 0x28, 3, 0, 0x1a])],
  ['a lane out of range', 'wasm/invalid', task([0xfd, 12, new Array<number>(16).fill(0), 0xfd, 27, 4, 0x1a])],
  ['many locals', 'wasm/too-large', manyLocals(LIMITS.locals + 1)],
  ['deep nesting', 'wasm/too-large', task(nested(LIMITS.nesting))],
  [
    'a giant branch table',
    'wasm/too-large',
    task([i32(0), 0x0e, u32(20_000), new Array<number>(20_001).fill(0)]),
  ],
  ['a long body', 'wasm/too-large', task(new Array<number>(LIMITS.bodyBytes).fill(0x01))],
  ['a large table', 'wasm/too-large', changed((b) => b.table(LIMITS.tableElements + 1))],
  ['a body that grows too large', 'wasm/too-large', task(roots(500_000))],
  ['an oversized module', 'wasm/too-large', new Uint8Array(LIMITS.moduleBytes + 1)],
  ['shared memory', 'wasm/threads', changed((b) => b.memoryRaw([3, 1, 2]))],
  ['an atomic instruction', 'wasm/threads', task([0xfe, 0x03, 0x00])],
  ['a relaxed instruction', 'wasm/relaxed-simd', task([0xfd, u32(0x105)])],
  ['a structure type', 'wasm/gc', Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 3, 1, 0x5f, 0)],
  ['a garbage-collection instruction', 'wasm/gc', task([0xfb, 0x00, 0x00])],
  ['a reference to a type', 'wasm/gc', globalOf(0x63, [0xd0, 0])],
  ['64-bit memory', 'wasm/memory64', changed((b) => b.memoryRaw([5, 1, 2]))],
  ['access to another memory', 'wasm/multi-memory', task([0x3f, 1, 0x1a])],
  ['two memories', 'wasm/multi-memory', changed((b) => b.importRaw('a', 'm', [2, 0, 1]))],
  ['a try block', 'wasm/exceptions', task([0x06, 0x40, 0x0b])],
  ['a tag section', 'wasm/exceptions', shuffled(task([]))],
  ['a tail call', 'wasm/tail-call', task([0x12, 0])],
  ['table.get', 'wasm/reference-types', withTable((b) => b.func([], [], [], [i32(0), 0x25, 0, 0x1a]))],
  ['table.grow', 'wasm/reference-types', withTable((b) => b.func([], [], [], [0xfc, 15, 0]))],
  ['a table of externref', 'wasm/reference-types', changed((b) => b.tableRaw([0x6f, 0, 1]))],
  ['a reference as a value', 'wasm/reference-types', globalOf(0x70, [0xd0, 0x70])],
  ['select with a type', 'wasm/reference-types', task([i32(1), i32(2), i32(3), 0x1c, 1, 0x7f, 0x1a])],
  ['arithmetic in a constant', 'wasm/extended-const', globalOf(type.i32, [i32(1), i32(2), 0x6a])],
  [
    'an import from elsewhere',
    'wasm/unknown-import',
    changed((b) => b.importFunction('env', 'abort', [], [])),
  ],
  ['an unknown import', 'wasm/unknown-import', changed((b) => b.importFunction('askee', 'clock', [], []))],
  [
    'an import of another type',
    'wasm/unknown-import',
    changed((b) => b.importFunction('askee', 'log', [], [])),
  ],
  ['memory without a maximum', 'wasm/memory-unbounded', changed((b) => b.memory(1, null))],
  ['no memory', 'wasm/missing-export', noMemory()],
  ['no entry', 'wasm/missing-export', new ModuleBuilder().memory(1, 1).exportMemory().bytes()],
  ['run with a result', 'wasm/missing-export', runWithResult()],
  ['both run and step', 'wasm/ambiguous-entry', changed((b) => b.exportFunction('step', 0))],
  ['an export of ours', 'wasm/reserved-export', changed((b) => b.exportMemory('askee_fuel'))],
  ['data past the memory', 'wasm/segment-out-of-bounds', changed((b) => b.data(65_535, [1, 2]))],
  ['data at −1', 'wasm/segment-out-of-bounds', changed((b) => b.data(-1, [1]))],
  ['elements past the table', 'wasm/segment-out-of-bounds', withTable((b) => b.elements(2, [0]))],
  ['table.copy in steps', 'wasm/not-checkpointable', step([i32(0), i32(0), i32(0), 0xfc, 14, 0, 0])],
  ['data.drop in steps', 'wasm/not-checkpointable', step([0xfc, 9, 0], (b) => b.passiveData([1]))],
  [
    'a mutable vector in steps',
    'wasm/not-checkpointable',
    step([], (b) => b.global(type.v128, 'mutable', [0xfd, 12, new Array<number>(16).fill(0)])),
  ],
]

function manyLocals(count: number): Uint8Array {
  return task([], new Array<number>(count).fill(type.i32))
}

function nested(depth: number): Code {
  return [...new Array(depth).fill([0x02, 0x40]), ...new Array(depth).fill(0x0b)]
}

/** Square roots and negations by turns: each root is made canonical by some 20 bytes. */
function roots(count: number): Code {
  return [0x43, 0, 0, 0, 0, new Array<Code>(count).fill([0x91, 0x8c]), 0x1a]
}

/** Bodies that are each within their limit and grow to 6 MiB or so. */
function growing(bodies: number): Uint8Array {
  const code = new Uint8Array(ROOTS_BYTES).fill(0x91)
  for (let at = 1; at < code.length; at += 2) code[at] = 0x8c
  const out = new ByteWriter().bytes([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
  const section = (id: number, write: (content: ByteWriter) => ByteWriter): unknown =>
    out.section(id, write(new ByteWriter()).view())
  section(1, (content) => content.bytes([1, 0x60, 0, 0]))
  section(3, (content) => content.bytes([bodies, ...new Array<number>(bodies).fill(0)]))
  section(5, (content) => content.bytes([1, 1, 1, 1]))
  section(7, (content) => content.u8(2).name('memory').bytes([2, 0]).name('run').bytes([0, 0]))
  section(10, (content) => {
    content.u32(bodies)
    for (let index = 0; index < bodies; index++) {
      content
        .u32(code.length + 8)
        .bytes([0, 0x43, 0, 0, 0, 0])
        .bytes(code)
        .bytes([0x1a, 0x0b])
    }
    return content
  })
  return out.view().slice()
}

function noMemory(): Uint8Array {
  const builder = new ModuleBuilder()
  return builder.exportFunction('run', builder.func([], [], [], [])).bytes()
}

function runWithResult(): Uint8Array {
  const builder = new ModuleBuilder().memory(1, 1).exportMemory()
  return builder.exportFunction('run', builder.func([], [type.i32], [], i32(1))).bytes()
}

describe('admission', () => {
  it.each(CASES)('WSM-2 refuses %s as %s', (_offence, code, bytes) => {
    const error = refusal(bytes)
    expect(error.name).toBe('AskeeError')
    expect(error.code).toBe(code)
    if (bytes.length < 100_000) expect(() => check(bytes)).toThrow(error.message)
    expect(error.details.offset).toBeGreaterThanOrEqual(0)
    expect(error.details.offset).toBeLessThanOrEqual(bytes.byteLength)
    expect(error.message).toContain(`at byte ${error.details.offset}`)
  })

  it('WSM-2 lets a module grow to its limit and no further, and says the same when it only checks', () => {
    const grown = instrument(growing(8)).bytes.byteLength
    expect(grown).toBeLessThanOrEqual(LIMITS.instrumentedBytes)
    expect(grown).toBeGreaterThan(LIMITS.instrumentedBytes * 0.9)
    expect(refusal(growing(9)).message).toContain('grows to more than')
    expect(() => check(growing(9))).toThrow(expect.objectContaining({ code: 'wasm/too-large' }))
  })

  it('WSM-2 has a case for every code', () => {
    const covered = new Set([...CASES.map(([, code]) => code), 'wasm/memory-limit'])
    expect([...covered].sort()).toEqual([...WASM_ERROR_CODES].sort())
  })

  it('WSM-2 lowers the maximum of memory to what the task is given, and refuses to begin with more', () => {
    const bytes = changed((builder) => builder.memory(2, 9))
    const given = 4 * 65_536 + 1
    expect(instrument(bytes, { maxMemoryBytes: given }).admission.memory).toEqual({ min: 2, max: 4 })
    expect(() => check(bytes, { maxMemoryBytes: 65_536 })).toThrow(
      expect.objectContaining({ code: 'wasm/memory-limit' }),
    )
  })

  it('WSM-2 says an offence in one line that shows what is there, whatever names a module has', () => {
    const hidden = [
      '\u0000',
      '\n',
      '\u001b',
      '\u007f',
      '\u0085',
      '\u009b',
      '\u00ad',
      '\u061c',
      '\u200b',
      '\u202e',
      '\u2028',
    ]
    hidden.push('\u2066', '\u2069', '\ufeff', '\u{e0041}', '\u{e000}', '\u3164')
    for (const character of hidden) {
      for (const bytes of [
        changed((b) => b.importFunction('env', `x${character}y`, [], [])),
        changed((b) => b.importFunction(`x${character}`, 'y', [], [])),
        changed((b) => b.exportMemory(`askee_${character}`)),
      ]) {
        const { message } = refusal(bytes)
        expect(message).not.toContain(character)
        expect(message).toMatch(/\\(u|n)/)
      }
    }
    expect(refusal(changed((b) => b.importFunction('env', 'größe', [], []))).message).toContain('"env.größe"')
    // A pair of surrogates is never cut into what is no character.
    const long = refusal(changed((b) => b.exportMemory(`askee_a${'😀'.repeat(2000)}`))).message
    expect(long.length).toBeLessThan(250)
    expect(long.isWellFormed()).toBe(true)
  })

  it('WSM-2 gives the offset of the very instruction', () => {
    const bytes = task([0x01, 0x01, 0xfe, 0x03, 0x00])
    expect(bytes[refusal(bytes).details.offset]).toBe(0xfe)
  })

  it('WSM-2 admits a task and says what it is', () => {
    const builder = new ModuleBuilder()
    builder.importFunction('askee', 'input_size', [], [type.i32])
    builder.memory(1, 7).exportMemory()
    const bytes = builder.exportFunction('step', builder.func([], [type.i32], [], i32(0))).bytes()
    expect(check(bytes)).toEqual({
      abi: 'askee',
      entry: 'step',
      memory: { min: 1, max: 7 },
      functions: 1,
      imports: ['input_size'],
    })
  })

  it('WSM-2 without the interface takes any import and no memory, but no forbidden feature or name', () => {
    const builder = new ModuleBuilder()
    builder.importFunction('env', 'anything', [type.f64], [type.f64])
    const main = builder.func([], [], [], [])
    expect(check(builder.exportFunction('main', main).bytes(), { abi: 'none' })).toMatchObject({
      entry: null,
      memory: null,
    })
    expect(refusal(builder.exportFunction('askee_x', main).bytes(), 'none').code).toBe('wasm/reserved-export')
    expect(refusal(task([0xfe, 0x03, 0x00]), 'none').code).toBe('wasm/threads')
  })

  it('WSM-2 takes the overlong table index that LLVM writes for call_indirect', () => {
    const builder = new ModuleBuilder().memory(1, 1).exportMemory().table(1)
    const none = builder.type([], [])
    const run = builder.func([], [], [], [i32(0), 0x11, none, 0x80, 0x80, 0x80, 0x80, 0x00])
    expect(check(builder.exportFunction('run', run).bytes()).entry).toBe('run')
  })
})
