import { digestOf } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { instrument } from '../src/index.ts'
import { NUMERIC, SATURATING } from '../src/opcodes/numeric.ts'
import type { SignatureTable } from '../src/opcodes/signature.ts'
import { SIMD } from '../src/opcodes/simd.ts'
import {
  type Code,
  ENGINE,
  f32Bits,
  f64Bits,
  generateModule,
  get,
  i32,
  ModuleBuilder,
  type RunResult,
  runInV8,
  set,
  type,
  u32,
} from '../src/testing/index.ts'
import { task } from './support/bodies.ts'

const INPUT = Uint8Array.from({ length: 50 }, (_, index) => 255 - index)

/** All that a run left behind but fuel; memory as a digest, since comparing it byte by byte takes long. */
function summary({ output, trap, memory, globals }: RunResult): unknown {
  return { output: digestOf(output), trap, memory: digestOf(memory), globals }
}

describe('what a module computes', () => {
  it('WSM-3 is the same with the pass and without, on generated modules of every kind', () => {
    const traps = new Set<string | null>()
    for (let seed = 0; seed < 450; seed++) {
      const entry = (['run', 'step', 'main'] as const)[seed % 3] ?? 'run'
      const module = generateModule(seed, { entry, nan: 'hidden' })
      expect(ENGINE.validate(module), `seed ${seed}`).toBe(true)
      const { bytes } = instrument(module, { abi: entry === 'main' ? 'none' : 'askee' })
      const before = runInV8(module, { entry, input: INPUT })
      const after = runInV8(bytes, { entry, input: INPUT, fuel: 1n << 40n })
      expect(summary(after), `seed ${seed}`).toEqual(summary(before))
      expect(after.fuel > 0n).toBe(true)
      traps.add(after.trap)
    }
    // The generator is no proof if everything that it makes ends well, or nothing does.
    expect(traps.has(null)).toBe(true)
    expect(traps.size).toBeGreaterThan(5)
  })

  it('WSM-3 gives the same bytes every time, and drops custom sections', () => {
    const module = generateModule(11)
    const custom = Uint8Array.of(0, 5, 4, 0x6e, 0x61, 0x6d, 0x65)
    expect(instrument(Uint8Array.of(...module, ...custom)).bytes).toEqual(instrument(module).bytes)
  })

  it('WSM-3 runs a start function at the first call of run, once and charged', () => {
    const { bytes } = instrument(withStart())
    const { exports } = new ENGINE.Instance(new ENGINE.Module(bytes))
    const value = exports.seen as { value: number }
    expect(value.value).toBe(0)
    ;(exports.run as () => void)()
    ;(exports.run as () => void)()
    expect(value.value).toBe(1)
  })
})

function withStart(): Uint8Array {
  const builder = new ModuleBuilder().memory(1, 1).exportMemory()
  const seen = builder.global(type.i32, 'mutable', i32(0))
  const start = builder.func([], [], [], [0x23, seen, i32(1), 0x6a, 0x24, seen])
  const run = builder.func([], [], [], [])
  return builder.start(start).exportFunction('run', run).exportGlobal('seen', seen).bytes()
}

/** NaN of either sign, with and without payload, quiet and signalling. */
const F32_NANS = [0x7fc00000, 0xffc00000, 0x7fa00001, 0xff912345, 0x7fffffff]
const F64_NANS = [0x7ff8000000000000n, 0xfff8000000000000n, 0x7ff0000000000001n, 0xfff123456789abcdn]
const CANONICAL_32 = '0000c07f'
const CANONICAL_64 = '000000000000f87f'

const vector = (bytes: readonly number[]): number[] =>
  [0xfd, 12, ...bytes, ...bytes, ...bytes, ...bytes].slice(0, 18)

function operand(valueType: number, index: number, lanes: number): number[] {
  const narrow = f32Bits(F32_NANS[index % F32_NANS.length] ?? 0)
  const wide = f64Bits(F64_NANS[index % F64_NANS.length] ?? 0n)
  if (valueType === type.f32) return narrow
  if (valueType === type.f64) return wide
  return vector((lanes === 4 ? narrow : wide).slice(1))
}

/** Memory after `code` has left a value of the type, stored at 0. */
function stored(valueType: number, code: Code): string {
  const store = valueType === type.v128 ? [0xfd, 11, 0, 0] : [valueType === type.f32 ? 0x38 : 0x39, 0, 0]
  const { bytes } = instrument(task([i32(0), code, store]))
  return Buffer.from(runInV8(bytes).memory.subarray(0, 16)).toString('hex')
}

describe('NaN', () => {
  const tables: readonly (readonly [prefix: number[], table: SignatureTable])[] = [
    [[], NUMERIC],
    [[0xfc], SATURATING],
    [[0xfd], SIMD],
  ]

  it('WSM-3 is the positive quiet NaN without payload from every operation that may choose its bits', () => {
    let operations = 0
    for (const [prefix, table] of tables) {
      table.forEach((signature, opcode) => {
        if (signature === undefined || signature.canonical === 0) return
        operations++
        const lanes = signature.ignores === 3 ? 4 : 2
        const wide = signature.canonical === 2 || signature.canonical === 4
        for (let index = 0; index < 5; index++) {
          const operands = signature.params.map((param, position) =>
            operand(param, index + position * 2, lanes),
          )
          const instruction = prefix.length === 0 ? [opcode] : [...prefix, ...u32(opcode)]
          const bits = stored(signature.result, [...operands, instruction])
          const canonical = wide ? CANONICAL_64 : CANONICAL_32
          const repeated = signature.result === type.v128 ? 16 : wide ? 8 : 4
          // demote_zero leaves the upper lanes zero.
          const checked = opcode === 94 && prefix[0] === 0xfd ? 8 : repeated
          expect(bits.slice(0, checked * 2), `${prefix} ${opcode}`).toBe(
            canonical.repeat(checked / (wide ? 8 : 4)),
          )
        }
      })
    }
    expect(operations).toBe(2 * 11 + 2 + 2 * 11 + 2)
  })

  it('WSM-3 keeps its bits where an instruction only moves it', () => {
    const odd = 0xffa12345
    const kept = '4523a1ff'
    expect(stored(type.f32, f32Bits(odd)).slice(0, 8)).toBe(kept)
    expect(stored(type.f32, [f32Bits(odd), 0x8c]).slice(0, 8)).toBe('4523a17f')
    expect(stored(type.f32, [f32Bits(odd), f32Bits(0), i32(1), 0x1b]).slice(0, 8)).toBe(kept)
  })

  it('WSM-3 is canonical after operations whose NaN was left alone in between', () => {
    const nan = f32Bits(0xffa12345)
    expect(stored(type.f32, [nan, f32Bits(0), 0x92, f32Bits(0), 0x94]).slice(0, 8)).toBe(CANONICAL_32)
    // Through a local, a block, a call's result and an integer: seen, so canonical.
    const sum: Code = [nan, f32Bits(0), 0x92]
    expect(stored(type.f32, [0x02, type.f32, sum, 0x0b]).slice(0, 8)).toBe(CANONICAL_32)
    expect(stored(type.f32, [sum, 0xbc, 0xbe]).slice(0, 8)).toBe(CANONICAL_32)
    expect(stored(type.f32, [sum, 0x8c]).slice(0, 8)).toBe('0000c0ff')
    const wide: Code = [f64Bits(0xfff123456789abcdn), f64Bits(0n), 0xa0]
    expect(stored(type.f32, [wide, 0xb6]).slice(0, 8)).toBe(CANONICAL_32)
    // A product of vectors of another shape: its lanes are looked at as bits.
    const product: Code = [vector(f32Bits(0xffa12345).slice(1)), vector([0, 0, 0, 0]), 0xfd, u32(230)]
    expect(stored(type.v128, [product, vector([0, 0, 0, 0]), 0xfd, u32(80)])).toBe(CANONICAL_32.repeat(4))
  })

  it('WSM-3 is canonical in a vector whose NaN lanes are half of a number of another shape', () => {
    const lanes = [...f32Bits(0xffa12345).slice(1), ...f32Bits(0x3f800000).slice(1)]
    const ones = f32Bits(0x3f800000).slice(1)
    const product: Code = [[0xfd, 12, lanes, lanes], vector(ones), 0xfd, u32(230)]
    const sum: Code = [product, vector([0, 0, 0, 0]), 0xfd, u32(240)]
    expect(stored(type.v128, sum)).toBe('0000c07f0000803f'.repeat(2))
  })

  it('WSM-3 passes through locals unchanged by the pass', () => {
    const module = task([f64Bits(0x4009_21fb_5444_2d18n), set(0), i32(0), get(0), 0x39, 0, 0], [type.f64])
    expect(Buffer.from(runInV8(instrument(module).bytes).memory.subarray(0, 8)).readDoubleLE()).toBe(Math.PI)
  })
})
