import { type Code, get, globalSet, i32, set, type as t, tee, u32 } from './builder.ts'
import { address, expression } from './generate-expressions.ts'
import type { FunctionScope } from './generate-scope.ts'

const VALUE_TYPES = [t.i32, t.i64, t.f32, t.f64, t.v128]
const MOST_LOOPS = 3

/** Some statements; none leaves a value. */
export function statements(scope: FunctionScope, count: number, depth: number): Code {
  return Array.from({ length: count }, () => statement(scope, depth))
}

function statement(scope: FunctionScope, depth: number): Code {
  const { random } = scope
  const type = random.pick(VALUE_TYPES)
  const choice = random.below(100)
  if (choice < 22 || depth <= 0) return [expression(scope, type, depth), set(scope.local(type))]
  if (choice < 38) return store(scope, depth)
  if (choice < 46) return ifStatement(scope, depth)
  if (choice < 58) return loop(scope, depth)
  if (choice < 64) return blockStatement(scope, depth)
  if (choice < 72) return branchOut(scope, depth)
  if (choice < 78) return branchTable(scope, depth)
  if (choice < 84) return bulk(scope, depth)
  if (choice < 90) return writeGlobal(scope, type, depth)
  if (choice < 93) return blockWithParameters(scope, depth)
  if (choice < 96) return hostCall(scope, depth)
  if (choice < 97) return leave(scope, depth)
  return [expression(scope, type, depth), 0x1a]
}

const STORES: ReadonlyMap<number, readonly number[]> = new Map([
  [t.i32, [0x36, 0x3a, 0x3b]],
  [t.i64, [0x37, 0x3c, 0x3d, 0x3e]],
  [t.f32, [0x38]],
  [t.f64, [0x39]],
])

function store(scope: FunctionScope, depth: number): Code {
  const type = scope.random.pick(VALUE_TYPES)
  const value = scope.observable(type, expression(scope, type, depth - 1))
  const offset = u32(scope.random.below(16))
  if (type === t.v128) {
    if (scope.random.chance(70)) return [address(scope, depth), value, 0xfd, 11, 0, offset]
    const exponent = scope.random.below(4)
    const lane = scope.random.below(16 >> exponent)
    return [address(scope, depth), value, 0xfd, 88 + exponent, 0, offset, lane]
  }
  const code = scope.random.pick(STORES.get(type)!)
  return [address(scope, depth), value, code, 0, offset]
}

function ifStatement(scope: FunctionScope, depth: number): Code {
  const condition = expression(scope, t.i32, depth - 1)
  return scope.inside({ results: [] }, () => {
    const first = statements(scope, 1 + scope.random.below(2), depth - 1)
    const second = scope.random.chance(50) ? [0x05, statements(scope, 1, depth - 1)] : []
    return [condition, 0x04, 0x40, first, second, 0x0b]
  })
}

/** A loop that passes its header a few times at most, however it is continued. */
function loop(scope: FunctionScope, depth: number): Code {
  if (scope.loops >= MOST_LOOPS) return []
  scope.loops++
  const counter = scope.newLocal(t.i32)
  const header = [get(counter), i32(1), 0x6b, tee(counter), i32(0), 0x48, 0x0d, 1]
  const body = scope.inside({ results: [] }, () =>
    scope.inside({ results: [] }, () => [
      statements(scope, 1 + scope.random.below(3), depth - 1),
      scope.random.chance(70) ? [0x0c, 0] : [expression(scope, t.i32, depth - 1), 0x0d, 0],
    ]),
  )
  scope.loops--
  const times = i32(1 + scope.random.below(5))
  return [times, set(counter), 0x02, 0x40, 0x03, 0x40, header, body, 0x0b, 0x0b]
}

function blockStatement(scope: FunctionScope, depth: number): Code {
  return scope.inside({ results: [] }, () => [
    0x02,
    0x40,
    statements(scope, 1 + scope.random.below(3), depth - 1),
    0x0b,
  ])
}

/** Labels without results that can be branched to, as relative depths. */
function openLabels(scope: FunctionScope): number[] {
  const last = scope.labels.length - 1
  return scope.labels.flatMap(({ results }, index) => (results.length === 0 ? [last - index] : []))
}

function branchOut(scope: FunctionScope, depth: number): Code {
  const labels = openLabels(scope)
  if (labels.length === 0) return []
  const label = scope.random.pick(labels)
  const condition = [expression(scope, t.i32, depth - 1), i32(3), 0x71]
  if (scope.random.chance(70)) return [condition, 0x0d, u32(label)]
  return [condition, 0x45, 0x04, 0x40, 0x0c, u32(label + 1), 0x0b]
}

function branchTable(scope: FunctionScope, depth: number): Code {
  return scope.inside({ results: [] }, () => {
    const labels = openLabels(scope)
    const inner = scope.inside({ results: [] }, () => [
      0x02,
      0x40,
      expression(scope, t.i32, depth - 1),
      i32(7),
      0x71,
      0x0e,
      5,
      [0, 1, 0, 1, scope.random.chance(20) ? scope.random.pick(labels) + 1 : 0],
      1,
      0x0b,
    ])
    return [0x02, 0x40, inner, statements(scope, 1, depth - 1), 0x0b]
  })
}

function bulk(scope: FunctionScope, depth: number): Code {
  const { module, random } = scope
  const short = [expression(scope, t.i32, depth - 1), i32(63), 0x71]
  const choice = random.below(4)
  if (choice === 0) return [address(scope, depth), expression(scope, t.i32, 1), short, 0xfc, 11, 0]
  if (choice === 1) return [address(scope, depth), address(scope, depth), short, 0xfc, 10, 0, 0]
  if (choice === 2 && module.dataSegments > 0) {
    const length = [expression(scope, t.i32, 1), i32(random.chance(95) ? 7 : 31), 0x71]
    return [address(scope, depth), i32(0), length, 0xfc, 8, 0, 0]
  }
  if (!random.chance(30)) return []
  return [i32(random.below(2)), 0x40, 0, 0x1a]
}

function writeGlobal(scope: FunctionScope, type: number, depth: number): Code {
  const global = scope.globalOf(type)
  return global === null ? [] : [expression(scope, type, depth - 1), globalSet(global)]
}

function blockWithParameters(scope: FunctionScope, depth: number): Code {
  const type = scope.module.typeOf([t.i32, t.i64], [t.i64, t.i32])
  const [first, second] = [scope.local(t.i32), scope.local(t.i64)]
  return [
    expression(scope, t.i32, depth - 1),
    expression(scope, t.i64, depth - 1),
    0x02,
    u32(type),
    set(second),
    set(first),
    get(second),
    get(first),
    get(first),
    0x0d,
    0,
    0x0b,
    set(first),
    set(second),
  ]
}

function hostCall(scope: FunctionScope, depth: number): Code {
  const { imports } = scope.module
  const short = (): Code => [expression(scope, t.i32, 1), i32(31), 0x71]
  const write = imports.get('output_write')
  const read = imports.get('input_read')
  const size = imports.get('input_size')
  if (write === undefined || read === undefined || size === undefined) return []
  const choice = scope.random.below(3)
  if (choice === 0) return [address(scope, depth), short(), 0x10, u32(write)]
  if (choice === 1) return [address(scope, depth), short(), short(), 0x10, u32(read), 0x1a]
  return [0x10, u32(size), set(scope.local(t.i32))]
}

/** Return in the middle, or (rarely) unreachable. */
function leave(scope: FunctionScope, depth: number): Code {
  const condition = [expression(scope, t.i32, depth - 1), i32(7), 0x71, 0x45]
  const way = scope.random.chance(10)
    ? [0x00]
    : [...scope.results.map((type) => expression(scope, type, 1)), 0x0f]
  return scope.inside({ results: [] }, () => [condition, 0x04, 0x40, way, 0x0b])
}
