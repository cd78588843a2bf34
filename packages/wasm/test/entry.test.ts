import { describe, expect, it } from 'vitest'
import { COSTS_V1, instrument } from '../src/index.ts'
import {
  type Code,
  ENGINE,
  type EngineGlobal,
  i32,
  ModuleBuilder,
  runInV8,
  type,
} from '../src/testing/index.ts'

const ENTRY = COSTS_V1.taskEntry

/** A task made of steps; `prepare` adds what comes before the function. */
function stepwise(code: Code, prepare: (builder: ModuleBuilder) => void = () => {}): Uint8Array {
  const builder = new ModuleBuilder()
  prepare(builder)
  builder.memory(1, 1).exportMemory()
  return builder.exportFunction('step', builder.func([], [type.i32], [], code)).bytes()
}

/** How many steps a task takes that never says it is done; 20,000 stands for no end. */
function stepsTaken(bytes: Uint8Array, fuel: bigint): number {
  const { exports } = new ENGINE.Instance(new ENGINE.Module(bytes), { askee: { input_size: () => 1 } })
  const left = exports.askee_fuel as EngineGlobal
  left.value = fuel
  let steps = 0
  try {
    for (; steps < 20_000; steps++) (exports.step as () => number)()
  } catch {
    expect(left.value).toBeLessThan(0n)
  }
  return steps
}

describe('entry', () => {
  it('WSM-3 ends a task that always asks for one more step, though no step calls or loops', () => {
    expect(stepsTaken(instrument(stepwise(i32(1))).bytes, 10_000n)).toBeLessThan(10_000 / ENTRY)
  })

  it.each(['without', 'with'])(
    'WSM-3 charges a host function exported as step, %s a start function',
    (start) => {
      const builder = new ModuleBuilder()
      const size = builder.importFunction('askee', 'input_size', [], [type.i32])
      builder.memory(1, 1).exportMemory().exportFunction('step', size)
      if (start === 'with') builder.start(builder.func([], [], [], []))
      const { bytes } = instrument(builder.bytes())
      const input = new Uint8Array(1)
      expect(runInV8(bytes, { entry: 'step', fuel: 10_000n, input }).trap).toBe('out-of-fuel')
      const once = start === 'with' ? COSTS_V1.functionEntry : 0
      const { trap, fuel } = runInV8(bytes, { entry: 'step', fuel: 10_000n })
      expect([trap, fuel]).toEqual([null, BigInt(ENTRY + COSTS_V1.hostCall + once)])
    },
  )

  it('WSM-3 charges every step the same, and the start function once', () => {
    const counted = (steps: number): bigint => {
      const code = [0x23, 0, i32(1), 0x6b, [0x24, 0], [0x23, 0]]
      const module = stepwise(code, (builder) => {
        builder.global(type.i32, 'mutable', i32(steps))
        builder.start(builder.func([], [], [], []))
      })
      return runInV8(instrument(module).bytes, { entry: 'step' }).fuel
    }
    const one = BigInt(ENTRY + COSTS_V1.functionEntry + 5)
    expect(counted(1)).toBe(one + BigInt(COSTS_V1.functionEntry))
    expect(counted(50)).toBe(50n * one + BigInt(COSTS_V1.functionEntry))
  })

  it('WSM-3 traps in the very call that used too much, and never begins one without fuel', () => {
    const used = BigInt(ENTRY + COSTS_V1.functionEntry + 1)
    const { bytes } = instrument(stepwise(i32(0)))
    expect(runInV8(bytes, { entry: 'step', fuel: used }).trap).toBeNull()
    for (const fuel of [used - 1n, BigInt(ENTRY), BigInt(ENTRY - 1), 0n]) {
      expect(runInV8(bytes, { entry: 'step', fuel })).toMatchObject({ trap: 'out-of-fuel', fuel })
    }
    const { exports } = new ENGINE.Instance(new ENGINE.Module(bytes))
    ;(exports.askee_fuel as EngineGlobal).value = used - 1n
    expect(exports.step as () => number).toThrow('unreachable')
  })
})
