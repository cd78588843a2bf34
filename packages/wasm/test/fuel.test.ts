import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COSTS_V1, HOST_SHORTAGE, instrument } from '../src/index.ts'
import {
  type Code,
  call,
  ENGINE,
  type EngineGlobal,
  get,
  i32,
  ModuleBuilder,
  runInV8,
  set,
  tee,
  type,
} from '../src/testing/index.ts'
import { task } from './support/bodies.ts'

const fuelOf = (code: Code, locals: readonly number[] = []): bigint =>
  runInV8(instrument(task(code, locals)).bytes, { fuel: 1n << 60n }).fuel

/** A loop of `turns` turns around `body`; local 0 counts. */
const loop = (turns: number, body: Code): Code => [
  i32(turns),
  set(0),
  [0x03, 0x40, body, get(0), i32(1), 0x6b, tee(0), 0x0d, 0, 0x0b],
]

const drop = 0x1a
const store: Code = [i32(8), i32(1), 0x36, 2, 0]

describe('fuel', () => {
  it('WSM-3 follows the cost table, instruction by instruction', () => {
    const base = BigInt(COSTS_V1.taskEntry + COSTS_V1.functionEntry)
    expect(fuelOf([])).toBe(base)
    expect(fuelOf([0x01, 0x01, 0x02, 0x40, 0x0b])).toBe(base)
    expect(fuelOf([i32(1), drop])).toBe(base + 2n)
    expect(fuelOf([i32(7), i32(2), 0x6d, drop])).toBe(base + 3n + BigInt(COSTS_V1.integerDivision))
    expect(fuelOf(store)).toBe(base + 2n + BigInt(COSTS_V1.store))
  })

  it('WSM-4 grows with the turns of a loop, exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 12 }), (turns, stores) => {
        const body = new Array<Code>(stores).fill(store)
        const one = fuelOf(loop(1, body), [type.i32])
        const two = fuelOf(loop(2, body), [type.i32])
        expect(fuelOf(loop(turns, body), [type.i32])).toBe(one + (two - one) * BigInt(turns - 1))
        expect(two - one).toBe(BigInt(6 + stores * (2 + COSTS_V1.store)))
      }),
      { numRuns: 25 },
    )
  })

  it('WSM-4 is the same whether fuel is kept in a local or not: nested loops, with calls and without', () => {
    const builder = new ModuleBuilder().memory(1, 2).exportMemory()
    const nothing = builder.func([], [], [], [])
    const inner = (turns: number, body: Code): Code => [
      i32(turns),
      set(1),
      [0x03, 0x40, body, get(1), i32(1), 0x6b, tee(1), 0x0d, 0, 0x0b],
    ]
    const body: Code = [loop(3, [inner(4, store), inner(5, call(nothing))]), inner(6, store)]
    const run = builder.func([], [], [type.i32, type.i32], body)
    const { fuel } = runInV8(instrument(builder.exportFunction('run', run).bytes()).bytes)
    const turn = 6 // loop, get, const, sub, tee, br_if
    const stored = 2 + COSTS_V1.store
    const called = COSTS_V1.call + COSTS_V1.functionEntry
    const one = 2 + 4 * (turn + stored) + 2 + 5 * (turn + called)
    const entry = COSTS_V1.taskEntry + COSTS_V1.functionEntry
    expect(fuel).toBe(BigInt(entry + 2 + 3 * (turn + one) + 2 + 6 * (turn + stored)))
  })

  it('WSM-4 is settled however a loop is left', () => {
    const spent = (exit: Code): bigint => fuelOf([loop(100, [exit, store]), i32(1), drop], [type.i32])
    const after50 = (way: Code): Code => [get(0), i32(50), 0x46, way]
    const whole = spent([])
    const byReturn = fuelOf([loop(100, [after50([0x04, 0x40, 0x0f, 0x0b]), store])], [type.i32])
    const byBranch = fuelOf([0x02, 0x40, loop(100, [after50([0x0d, 1]), store]), 0x0b], [type.i32])
    const byTable = fuelOf(
      [0x02, 0x40, loop(100, [after50([0x04, 0x40, i32(0), 0x0e, 0, 2, 0x0b]), store]), 0x0b],
      [type.i32],
    )
    const byValue = fuelOf(
      [0x02, 0x7f, loop(100, [i32(9), after50([0x0d, 1]), drop, store]), i32(0), 0x0b, drop],
      [type.i32],
    )
    for (const fuel of [byReturn, byBranch, byTable, byValue]) {
      // 50 of 100 turns, each a little longer than the plain ones.
      expect(fuel).toBeGreaterThan(whole / 2n)
      expect(fuel).toBeLessThan(whole)
    }
  })

  it('WSM-4 charges at most 16 units in advance for what is then not reached', () => {
    const arm = (size: number): Code => [i32(0), 0x04, 0x40, new Array<Code>(size).fill(store), 0x0b]
    const unit = BigInt(COSTS_V1.taskEntry + COSTS_V1.functionEntry + 2)
    expect(fuelOf(arm(1))).toBe(unit + 4n)
    expect(fuelOf(arm(4))).toBe(unit + 16n)
    expect(fuelOf(arm(5))).toBe(unit)
  })

  it('WSM-3 ends an endless loop at the limit, whatever shape it has', () => {
    const shapes: Code[] = [
      [0x03, 0x40, 0x0c, 0, 0x0b],
      [0x03, 0x40, store, 0x0c, 0, 0x0b],
      [0x03, 0x40, i32(1), 0x0d, 0, 0x0b],
      [0x03, 0x40, i32(0), 0x0e, 1, 0, 0, 0x0b],
      [0x03, 0x40, 0x03, 0x40, i32(0), 0x0d, 0, 0x0c, 1, 0x0b, 0x0b],
      [0x03, 0x40, i32(0), i32(0), i32(0), 0xfc, 11, 0, 0x0c, 0, 0x0b],
    ]
    for (const shape of shapes) {
      const result = runInV8(instrument(task(shape)).bytes, { fuel: 123_456n })
      expect(result).toMatchObject({ trap: 'out-of-fuel', fuel: 123_456n })
    }
  })

  it('WSM-3 ends an endless start function, and endless calls between functions without loops', () => {
    const builder = new ModuleBuilder().memory(1, 1).exportMemory()
    const start = builder.func([], [], [], [0x03, 0x40, 0x0c, 0, 0x0b])
    builder.start(start).exportFunction('run', builder.func([], [], [], []))
    expect(runInV8(instrument(builder.bytes()).bytes, { fuel: 99n }).trap).toBe('out-of-fuel')
    const deep = new ModuleBuilder().memory(1, 1).exportMemory()
    let last = deep.func([], [], [], [])
    for (let index = 0; index < 40; index++) last = deep.func([], [], [], [call(last), call(last)])
    const { bytes } = instrument(deep.exportFunction('run', last).bytes())
    expect(runInV8(bytes, { fuel: 500_000n }).trap).toBe('out-of-fuel')
  })

  it('WSM-3 charges bulk operations by their length before they run', () => {
    const fill = (length: number): Code => [i32(0), i32(1), i32(length), 0xfc, 11, 0]
    expect(fuelOf(fill(65_536)) - fuelOf(fill(0))).toBe(BigInt(65_536 >> COSTS_V1.bulkBytesShift))
    const copy = (length: number): Code => [i32(0), i32(1), i32(length), 0xfc, 10, 0, 0]
    expect(fuelOf(copy(8_000)) - fuelOf(copy(0))).toBe(1000n)
    // A length of 4 GiB is charged as such: this ends for want of fuel and not at the end of memory.
    const huge = runInV8(instrument(task(fill(-1))).bytes, { fuel: 1000n })
    expect(huge.trap).toBe('out-of-fuel')
    expect(huge.memory[0]).toBe(0)
  })

  it('WSM-3 charges growth by the page, and the host by the byte', () => {
    const grow = (pages: number): Code => [i32(pages), 0x40, 0, drop]
    expect(fuelOf(grow(1)) - fuelOf(grow(0))).toBe(BigInt(COSTS_V1.memoryGrowPage))
    expect(fuelOf(grow(-1)) - fuelOf(grow(0))).toBe(
      BigInt(COSTS_V1.memoryGrowPage * COSTS_V1.memoryGrowPages),
    )
    const write = (length: number): bigint => {
      const builder = new ModuleBuilder()
      const output = builder.importFunction('askee', 'output_write', [type.i32, type.i32], [])
      const direct = builder.memory(1, 1).exportMemory().table(1).elements(0, [output])
      const callType = builder.type([type.i32, type.i32], [])
      const body: Code = [i32(0), i32(length), call(output), i32(0), i32(length), i32(0), 0x11, callType, 0]
      const run = direct.func([], [], [], body)
      return runInV8(instrument(direct.exportFunction('run', run).bytes()).bytes).fuel
    }
    // Twice: called, and called through the table.
    expect(write(8000) - write(0)).toBe(2000n)
  })
})

describe('work that was once free', () => {
  it('WSM-4 is that of a loop that calls nothing, before an unreachable in it', () => {
    const until50 = (way: Code): Code => loop(100, [get(0), i32(50), 0x46, 0x04, 0x40, way, 0x0b, store])
    const trapped = runInV8(instrument(task(until50([0x00]), [type.i32])).bytes)
    const returned = runInV8(instrument(task(until50([0x0f]), [type.i32])).bytes)
    expect([trapped.trap, returned.trap]).toEqual(['unreachable', null])
    expect(trapped.fuel).toBe(returned.fuel)
    // Nested, and with an outer loop that keeps fuel in the global.
    const builder = new ModuleBuilder().memory(1, 1).exportMemory()
    const nothing = builder.func([], [], [], [])
    const inner: Code = [0x03, 0x40, 0x03, 0x40, store, 0x00, 0x0b, 0x0b]
    const run = builder.func([], [], [type.i32], loop(9, [call(nothing), inner]))
    const { fuel } = runInV8(instrument(builder.exportFunction('run', run).bytes()).bytes)
    const before = COSTS_V1.taskEntry + 2 * COSTS_V1.functionEntry + 2 + 1 + COSTS_V1.call
    expect(fuel).toBe(BigInt(before + 2 + 2 + COSTS_V1.store + 1))
  })

  it('WSM-4 is that of setting declared locals to zero', () => {
    const calls = (locals: readonly number[]): bigint => {
      const builder = new ModuleBuilder().memory(1, 1).exportMemory()
      const callee = builder.func([], [], locals, [])
      return runInV8(instrument(builder.exportFunction('run', callee).bytes()).bytes).fuel
    }
    const base = calls([])
    expect(calls(new Array<number>(3).fill(type.i32))).toBe(base)
    expect(calls(new Array<number>(4).fill(type.i32))).toBe(base + 1n)
    expect(calls(new Array<number>(5000).fill(type.f64))).toBe(
      base + BigInt(40_000 >> COSTS_V1.localBytesShift),
    )
    expect(calls(new Array<number>(5000).fill(type.v128))).toBe(
      base + BigInt(80_000 >> COSTS_V1.localBytesShift),
    )
  })

  it('WSM-3 is that of many calls of a function that neither calls nor loops', () => {
    const builder = new ModuleBuilder().memory(1, 1).exportMemory()
    const stores = new Array<Code>(100).fill(store)
    const callee = builder.func([], [], [], stores)
    const counter = builder.global(type.i32, 'mutable', i32(0))
    builder.body(callee, [], [stores, [0x23, counter], i32(1), 0x6a, [0x24, counter]])
    const caller = builder.func([], [], [], new Array<Code>(1000).fill(call(callee)))
    const { bytes } = instrument(builder.exportGlobal('n', counter).exportFunction('run', caller).bytes())
    const one = COSTS_V1.functionEntry + 100 * (2 + COSTS_V1.store) + 4
    const entered = COSTS_V1.taskEntry + COSTS_V1.functionEntry + 1000 * COSTS_V1.call
    const result = runInV8(bytes, { fuel: BigInt(entered + 10 * one) })
    expect(result).toMatchObject({ trap: 'out-of-fuel', globals: { n: 10 } })
  })
})

describe('memory.grow', () => {
  it('WSM-3 past the maximum gives −1 and goes on', () => {
    const code = [i32(0), i32(5), 0x40, 0, 0x36, 2, 0]
    const result = runInV8(instrument(task(code)).bytes, { fuel: 1n << 40n })
    expect(result.trap).toBeNull()
    expect([...result.memory.subarray(0, 4)]).toEqual([255, 255, 255, 255])
  })

  it('WSM-3 refused by the host within the maximum is a fault of the node, never −1', () => {
    // A memory handed in with a smaller maximum stands for a host that is short of memory.
    const { bytes } = instrument(task([i32(1), 0x40, 0, drop]))
    const text = Buffer.from(bytes).toString('latin1')
    const limits = text.indexOf(String.fromCharCode(5, 4, 1, 1, 1, 2))
    expect(limits).toBeGreaterThan(0)
    const short = bytes.slice()
    short[limits + 5] = 1
    const { exports } = new ENGINE.Instance(new ENGINE.Module(short))
    expect(exports.run as () => void).toThrow('unreachable')
    expect((exports.askee_stack as EngineGlobal).value).toBe(HOST_SHORTAGE)
  })
})
