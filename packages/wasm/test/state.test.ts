import { describe, expect, it } from 'vitest'
import { instrument, STATE_GET, STATE_SET, STATE_WORDS_GLOBAL } from '../src/index.ts'
import {
  ENGINE,
  type EngineExports,
  type EngineGlobal,
  type EngineMemory,
  generateModule,
  i32,
  i64,
  ModuleBuilder,
  type,
} from '../src/testing/index.ts'

interface State {
  readonly words: readonly bigint[]
  readonly memory: Uint8Array
  readonly fuel: bigint
}

function start(bytes: Uint8Array): EngineExports {
  const askee = { input_size: () => 0, input_read: () => 0, output_write: () => {}, log: () => {} }
  const { exports } = new ENGINE.Instance(new ENGINE.Module(bytes), { askee })
  ;(exports.askee_fuel as EngineGlobal).value = 1_000_000n
  return exports
}

function save(exports: EngineExports): State {
  const get = exports[STATE_GET] as (index: number) => bigint
  const count = (exports[STATE_WORDS_GLOBAL] as EngineGlobal).value as number
  return {
    words: Array.from({ length: count }, (_, index) => get(index)),
    memory: new Uint8Array((exports.memory as EngineMemory).buffer).slice(),
    fuel: (exports.askee_fuel as EngineGlobal).value as bigint,
  }
}

function restore(bytes: Uint8Array, state: State): EngineExports {
  const exports = start(bytes)
  const set = exports[STATE_SET] as (index: number, word: bigint) => void
  state.words.forEach((word, index) => {
    set(index, word)
  })
  const memory = exports.memory as EngineMemory & { grow(pages: number): number }
  memory.grow((state.memory.length - memory.buffer.byteLength) / 65_536)
  new Uint8Array(memory.buffer).set(state.memory)
  ;(exports.askee_fuel as EngineGlobal).value = state.fuel
  return exports
}

/** Calls step to the end; a trap ends it too. */
function finish(exports: EngineExports): State {
  const step = exports.step as () => number
  try {
    while (step() !== 0);
  } catch {
    // What it left behind is compared all the same.
  }
  return save(exports)
}

describe('state between steps', () => {
  it('WSM-5 carried to another instance after the first step leads to the same end', () => {
    let resumed = 0
    for (let seed = 0; seed < 60; seed++) {
      const { bytes } = instrument(generateModule(seed, { entry: 'step' }))
      const straight = start(bytes)
      const first = start(bytes)
      try {
        ;(first.step as () => number)()
      } catch {
        continue
      }
      resumed++
      const end = finish(restore(bytes, save(first)))
      const expected = finish(straight)
      expect(end.words).toEqual(expected.words)
      expect(end.fuel).toBe(expected.fuel)
      expect(Buffer.compare(end.memory, expected.memory)).toBe(0)
    }
    expect(resumed).toBeGreaterThan(30)
  })

  it('WSM-5 holds every mutable global bit for bit, and that the start function has run', () => {
    const builder = new ModuleBuilder().memory(1, 1).exportMemory()
    builder.global(type.i64, 'mutable', i64(-5n))
    builder.global(type.i32, 'constant', i32(9))
    builder.global(type.f32, 'mutable', [0x43, 0x45, 0x23, 0xa1, 0xff])
    builder.global(type.f64, 'mutable', [0x44, 1, 0, 0, 0, 0, 0, 0xf0, 0x7f])
    builder.start(builder.func([], [], [], []))
    builder.exportFunction('step', builder.func([], [type.i32], [], i32(0)))
    const { bytes } = instrument(builder.bytes())
    const exports = start(bytes)
    const unsigned = (words: readonly bigint[]): bigint[] => words.map((word) => BigInt.asUintN(64, word))
    const fresh = [BigInt.asUintN(64, -5n), 0xffa12345n, 0x7ff0000000000001n]
    expect(unsigned(save(exports).words)).toEqual([...fresh, 0n])
    ;(exports.step as () => number)()
    const state = save(exports)
    expect(unsigned(state.words)).toEqual([...fresh, 1n])
    const changed = { ...state, words: [7n, 0x7fc00001n, 0x7ff0000000000002n, 1n] }
    expect(save(restore(bytes, changed)).words).toEqual(changed.words)
  })

  it('WSM-5 is not exported by a task with run', () => {
    const exports = start(instrument(generateModule(1)).bytes)
    expect(Object.keys(exports)).not.toContain(STATE_GET)
  })
})
