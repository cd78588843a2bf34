import { NUMERIC, SATURATING } from '../opcodes/numeric.ts'
import type { Signature } from '../opcodes/signature.ts'
import { LANES, SIMD, VECTOR_ALIGNMENT } from '../opcodes/simd.ts'
import { type Code, f32Bits, f64Bits, get, globalGet, i32, i64, type as t, tee, u32 } from './builder.ts'
import type { FunctionScope } from './generate-scope.ts'

interface PlainOperation {
  readonly bytes: readonly number[]
  readonly signature: Signature
}

const OPERATIONS: ReadonlyMap<number, readonly PlainOperation[]> = collect()

function collect(): Map<number, PlainOperation[]> {
  const byResult = new Map<number, PlainOperation[]>()
  const add = (prefix: number[], table: readonly (Signature | undefined)[]): void => {
    table.forEach((signature, opcode) => {
      if (signature === undefined) return
      const list = byResult.get(signature.result) ?? []
      const bytes = prefix.length === 0 ? [opcode] : [...prefix, ...u32(opcode)]
      list.push({ bytes, signature })
      byResult.set(signature.result, list)
    })
  }
  add([], NUMERIC)
  add([0xfc], SATURATING)
  add([0xfd], SIMD)
  return byResult
}

const INTERESTING_32 = [0, 1, -1, 2, 7, 31, 255, 65_535, 0x7fffffff, -0x80000000, 0x5555]
const INTERESTING_F32 = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0x7fc00000, 0xffa12345, 1, 0x4f000000,
]

/** Code that leaves one value of type `valueType`. Deeper means simpler. */
export function expression(scope: FunctionScope, valueType: number, depth: number): Code {
  const { random } = scope
  if (depth <= 0 || random.chance(12)) return leaf(scope, valueType)
  const choice = random.below(100)
  if (choice < 10) return load(scope, valueType, depth)
  if (choice < 15) return [expression(scope, valueType, depth - 1), tee(scope.local(valueType))]
  if (choice < 20) return select(scope, valueType, depth)
  if (choice < 26) return typedIf(scope, valueType, depth)
  if (choice < 29) return typedBlock(scope, valueType, depth)
  if (choice < 33) return scope.callFor(valueType, depth) ?? leaf(scope, valueType)
  if (choice < 37 && valueType !== t.v128) return extractLane(scope, valueType, depth)
  if (choice < 40 && valueType === t.v128) return vectorSpecial(scope, depth)
  return operation(scope, valueType, depth)
}

function leaf(scope: FunctionScope, valueType: number): Code {
  const { random } = scope
  if (random.chance(50)) return get(scope.local(valueType))
  const global = scope.globalOf(valueType)
  if (global !== null && random.chance(30)) return globalGet(global)
  return constant(scope, valueType)
}

export function constant({ random }: FunctionScope, valueType: number): number[] {
  switch (valueType) {
    case t.i32:
      return i32(random.chance(60) ? random.pick(INTERESTING_32) : random.u32())
    case t.i64:
      return i64(random.chance(60) ? BigInt(random.pick(INTERESTING_32)) : BigInt(random.u32()) << 29n)
    case t.f32:
      return f32Bits(random.chance(60) ? random.pick(INTERESTING_F32) : random.u32())
    case t.f64:
      return random.chance(60)
        ? f64Bits((BigInt(random.pick(INTERESTING_F32)) << 32n) | BigInt(random.below(2)))
        : f64Bits((BigInt(random.u32()) << 32n) | BigInt(random.u32()))
    default:
      return [0xfd, 12, ...Array.from({ length: 16 }, () => random.below(256))]
  }
}

/** An address that is mostly inside of the memory. */
export function address(scope: FunctionScope, depth: number): Code {
  if (scope.random.chance(2)) return expression(scope, t.i32, depth - 1)
  return [expression(scope, t.i32, depth - 1), i32(0xffc0), 0x71]
}

const LOADS: ReadonlyMap<number, readonly number[]> = new Map([
  [t.i32, [0x28, 0x2c, 0x2d, 0x2e, 0x2f]],
  [t.i64, [0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35]],
  [t.f32, [0x2a]],
  [t.f64, [0x2b]],
])

function load(scope: FunctionScope, valueType: number, depth: number): Code {
  const { random } = scope
  const offset = u32(random.below(16))
  if (valueType === t.v128) {
    const opcode = random.pick([...VECTOR_ALIGNMENT.keys()].filter((code) => code !== 11))
    return [address(scope, depth), 0xfd, opcode, 0, offset]
  }
  return [address(scope, depth), random.pick(LOADS.get(valueType)!), 0, offset]
}

function select(scope: FunctionScope, valueType: number, depth: number): Code {
  const one = () => expression(scope, valueType, depth - 1)
  return [one(), one(), expression(scope, t.i32, depth - 1), 0x1b]
}

function typedIf(scope: FunctionScope, valueType: number, depth: number): Code {
  const condition = expression(scope, t.i32, depth - 1)
  return scope.inside({ results: [valueType] }, () => [
    condition,
    0x04,
    valueType,
    expression(scope, valueType, depth - 1),
    0x05,
    expression(scope, valueType, depth - 1),
    0x0b,
  ])
}

/** A block with a result that is also left by br_if with a value. */
function typedBlock(scope: FunctionScope, valueType: number, depth: number): Code {
  return scope.inside({ results: [valueType] }, () => [
    0x02,
    valueType,
    expression(scope, valueType, depth - 1),
    expression(scope, t.i32, depth - 1),
    0x0d,
    0,
    0x0b,
  ])
}

function extractLane(scope: FunctionScope, valueType: number, depth: number): Code {
  const codes = [...LANES].filter(([, lane]) => lane.type === valueType && !lane.replaces)
  const [code, { lanes }] = scope.random.pick(codes)
  return [expression(scope, t.v128, depth - 1), 0xfd, code, scope.random.below(lanes)]
}

function vectorSpecial(scope: FunctionScope, depth: number): Code {
  const { random } = scope
  const vector = expression(scope, t.v128, depth - 1)
  if (random.chance(30)) {
    const lanes = Array.from({ length: 16 }, () => random.below(32))
    return [vector, expression(scope, t.v128, depth - 1), 0xfd, 13, lanes]
  }
  if (random.chance(30)) {
    const exponent = random.below(4)
    const lane = random.below(16 >> exponent)
    return [address(scope, depth), vector, 0xfd, 84 + exponent, 0, 0, lane]
  }
  const [code, { lanes, type }] = random.pick([...LANES].filter(([, lane]) => lane.replaces))
  return [vector, scope.observable(type, expression(scope, type, depth - 1)), 0xfd, code, random.below(lanes)]
}

/** Any instruction that only computes. */
function operation(scope: FunctionScope, valueType: number, depth: number): Code {
  const { random } = scope
  const { bytes, signature } = random.pick(OPERATIONS.get(valueType)!)
  const opcode = bytes[0] as number
  const traps = (opcode >= 0xa8 && opcode <= 0xab) || (opcode >= 0xae && opcode <= 0xb1)
  if (bytes.length === 1 && traps && !random.chance(4)) return leaf(scope, valueType)
  const sensitive = signature.ignores === 0
  const operands = signature.params.map((param, index) => {
    const operand = expression(scope, param, depth - 1)
    // copysign, reinterpret, splat: the bits of their operand are seen.
    if (sensitive && (index === 1 || signature.params.length === 1)) return scope.observable(param, operand)
    return operand
  })
  const divides = (opcode >= 0x6d && opcode <= 0x70) || (opcode >= 0x7f && opcode <= 0x82)
  if (bytes.length === 1 && divides && !random.chance(4)) {
    operands.push(valueType === t.i32 ? [i32(1), 0x72] : [i64(1n), 0x84])
  }
  const code = [...operands, bytes]
  return signature.canonical >= 3 ? scope.observableVector(signature.canonical, code) : code
}
