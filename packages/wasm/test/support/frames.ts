/**
 * Endless recursion through frames of many shapes; prints where each ended. `--raw` runs the modules without the
 * pass and prints the depth at which V8's own stack ended.
 */
import { instrument } from '../../src/index.ts'
import {
  type Code,
  call,
  ENGINE,
  type EngineGlobal,
  get,
  i32,
  ModuleBuilder,
  set,
  tee,
  type,
  u32,
} from '../../src/testing/index.ts'

type Shape = readonly [name: string, module: Uint8Array]

function recursive(
  params: readonly number[],
  results: readonly number[],
  locals: readonly number[],
  make: (self: number) => Code,
): Uint8Array {
  const builder = new ModuleBuilder()
  builder.memory(1, 1).exportMemory()
  const depth = builder.global(type.i32, 'mutable', i32(0))
  const self = builder.func(params, results, locals, [])
  const count: Code = [0x23, depth, i32(1), 0x6a, 0x24, depth]
  builder.body(self, locals, [count, make(self)])
  const zeros = params.map(zero)
  const run = builder.func([], [], [], [zeros, call(self), results.map(() => 0x1a)])
  return builder.exportFunction('run', run).exportGlobal('depth', depth).bytes()
}

function zero(valueType: number): number[] {
  if (valueType === type.i32) return [0x41, 0]
  if (valueType === type.i64) return [0x42, 0]
  if (valueType === type.f32) return [0x43, 0, 0, 0, 0]
  if (valueType === type.f64) return [0x44, 0, 0, 0, 0, 0, 0, 0, 0]
  return [0xfd, 12, ...new Array<number>(16).fill(0)]
}

const repeat = (count: number, make: (index: number) => Code): Code =>
  Array.from({ length: count }, (_, i) => make(i))
const same = (count: number, valueType: number): number[] => new Array<number>(count).fill(valueType)

/** Values computed before the call and again after it: an optimizer keeps them over the call. */
function keptAlive(count: number): Uint8Array {
  const sum: Code = repeat(count, (i) => [
    get(0),
    i32(i * 2 + 3),
    0x6c,
    get(0),
    i32(i + 1),
    0x6a,
    0x73,
    get(1),
    0x6a,
    set(1),
  ])
  return recursive([type.i32], [type.i32], [type.i32], (self) => [
    sum,
    get(0),
    i32(1),
    0x6a,
    call(self),
    get(1),
    0x6a,
    set(1),
    sum,
    get(1),
  ])
}

function keptVectors(count: number): Uint8Array {
  const sum: Code = repeat(count, (i) => [
    get(0),
    i32(i + 3),
    0xfd,
    17,
    0xfd,
    0xb5,
    1,
    get(1),
    0xfd,
    0xae,
    1,
    set(1),
  ])
  return recursive([type.v128], [type.v128], [type.v128], (self) => [
    sum,
    get(0),
    call(self),
    set(0),
    sum,
    get(1),
    get(0),
    0xfd,
    0xae,
    1,
  ])
}

function manyLocals(count: number, valueType: number): Uint8Array {
  const one = zero(valueType)
  const use: Code = repeat(count, (i) => [get(i), 0x1a])
  return recursive([], [], same(count, valueType), (self) => [
    repeat(count, (i) => [one, set(i)]),
    call(self),
    use,
  ])
}

function liveLocals(count: number): Uint8Array {
  const fill: Code = repeat(count, (i) => [i32(i * 4), 0x28, 2, 0, set(i + 1)])
  const use: Code = repeat(count, (i) => [get(i + 1), 0x6a])
  return recursive([type.i32], [type.i32], same(count, type.i32), (self) => [fill, get(0), call(self), use])
}

function operandsOver(count: number, valueType: number): Uint8Array {
  const push: Code = repeat(count, (i) =>
    valueType === type.v128 ? [i32(i * 8), 0xfd, 0, 0, 0] : [i32(i * 8), 0x29, 3, 0],
  )
  return recursive([], [], [], (self) => [push, call(self), repeat(count, () => [0x1a])])
}

function usedOperands(count: number): Uint8Array {
  const push: Code = repeat(count, (i) => [i32(i * 8), 0x29, 3, 0])
  return recursive([], [type.i64], [], (self) => [push, call(self), repeat(count, () => [0x7c])])
}

const SHAPES: readonly Shape[] = [
  ['plain', recursive([], [], [], (self) => call(self))],
  ['not last', recursive([type.i32], [type.i32], [], (self) => [get(0), call(self), i32(1), 0x6a])],
  ['two functions', twoFunctions()],
  [
    'fib',
    recursive([type.i32], [type.i32], [], (self) => [
      get(0),
      i32(1),
      0x6b,
      call(self),
      get(0),
      i32(2),
      0x6b,
      call(self),
      0x6a,
    ]),
  ],
  ...[10, 100, 1000, 5000].map((n): Shape => [`${n} i32 locals`, manyLocals(n, type.i32)]),
  ...[10, 100, 1000, 5000].map((n): Shape => [`${n} v128 locals`, manyLocals(n, type.v128)]),
  ...[10, 100, 1000, 5000].map((n): Shape => [`${n} live locals`, liveLocals(n)]),
  ...[10, 100, 1000].map((n): Shape => [`${n} operands i64`, operandsOver(n, type.i64)]),
  ...[10, 100, 1000].map((n): Shape => [`${n} operands v128`, operandsOver(n, type.v128)]),
  ...[10, 100, 1000].map((n): Shape => [`${n} used operands`, usedOperands(n)]),
  ...[10, 100, 1000, 3000].map((n): Shape => [`${n} kept values`, keptAlive(n)]),
  ...[10, 100, 1000].map((n): Shape => [`${n} kept vectors`, keptVectors(n)]),
  ...[8, 32, 128].map(
    (n): Shape => [
      `${n} params`,
      recursive(same(n, type.i64), [], [], (self) => [repeat(n, (i) => get(i)), call(self)]),
    ],
  ),
  ...[8, 32, 128].map(
    (n): Shape => [
      `${n} params v128`,
      recursive(same(n, type.v128), [], [], (self) => [repeat(n, (i) => get(i)), call(self)]),
    ],
  ),
  ...[2, 8, 64].map(
    (n): Shape => [`${n} results`, recursive([], same(n, type.i64), [], (self) => [call(self)])],
  ),
  ...[2, 8, 64].map(
    (n): Shape => [`${n} results v128`, recursive([], same(n, type.v128), [], (self) => [call(self)])],
  ),
  ['many calls', recursive([type.i32], [], [], (self) => repeat(200, (i) => [i32(i), call(self)]))],
  [
    'wide calls',
    recursive(same(64, type.i64), same(64, type.i64), [], (self) => [
      repeat(64, (i) => get(i)),
      call(self),
      call(self),
    ]),
  ],
  ['inlined', inlined()],
  [
    'start of loop',
    recursive([], [], [type.i32], (self) => [
      0x03,
      0x40,
      get(0),
      i32(1),
      0x6a,
      tee(0),
      0x1a,
      call(self),
      0x0c,
      0,
      0x0b,
    ]),
  ],
]

function twoFunctions(): Uint8Array {
  const builder = new ModuleBuilder()
  builder.memory(1, 1).exportMemory()
  const depth = builder.global(type.i32, 'mutable', i32(0))
  const first = builder.func([type.i32], [type.i32], [], [])
  const second = builder.func([type.i32], [type.i32], [], [get(0), call(first), get(0), 0x6a])
  builder.body(first, [], [[0x23, depth, i32(1), 0x6a, 0x24, depth], get(0), i32(1), 0x6a, call(second)])
  const run = builder.func([], [], [], [i32(0), call(first), 0x1a])
  return builder.exportFunction('run', run).exportGlobal('depth', depth).bytes()
}

/** Small callees that V8 inlines one into the other, each with values alive over the next call. */
function inlined(): Uint8Array {
  const builder = new ModuleBuilder()
  builder.memory(1, 1).exportMemory()
  const depth = builder.global(type.i32, 'mutable', i32(0))
  const first = builder.func([type.i32], [type.i32], [], [])
  let last = first
  for (let index = 0; index < 30; index++) {
    const loads: Code = repeat(6, (i) => [get(0), 0x28, 2, u32(i * 4)])
    last = builder.func([type.i32], [type.i32], [], [loads, get(0), call(last), repeat(6, () => [0x6a])])
  }
  builder.body(
    first,
    [],
    [
      [0x23, depth, i32(1), 0x6a, 0x24, depth],
      repeat(8, () => [get(0), call(last), 0x1a]),
      get(0),
      call(last),
    ],
  )
  const run = builder.func([], [], [], [i32(0), call(first), 0x1a])
  return builder.exportFunction('run', run).exportGlobal('depth', depth).bytes()
}

const raw = process.argv[2] === '--raw'
for (const [name, module] of SHAPES) {
  const { bytes } = raw ? { bytes: module } : instrument(module)
  const { exports } = new ENGINE.Instance(new ENGINE.Module(bytes))
  let end = 'returned'
  try {
    ;(exports.run as () => void)()
  } catch (error) {
    end = error instanceof RangeError ? 'native stack' : (error as Error).message
  }
  const depth = (exports.depth as EngineGlobal).value
  const stack = (exports.askee_stack as EngineGlobal | undefined)?.value ?? ''
  const fuel = (exports.askee_fuel as EngineGlobal | undefined)?.value ?? ''
  console.log([name, end, depth, stack, fuel].join(';'))
}
