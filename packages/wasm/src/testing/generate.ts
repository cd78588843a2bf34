import { type Code, call, globalGet, globalSet, i32, ModuleBuilder, type as t } from './builder.ts'
import { constant, expression } from './generate-expressions.ts'
import { FunctionScope, type GeneratedFunction, type ModuleScope } from './generate-scope.ts'
import { statements } from './generate-statements.ts'
import { Prng } from './prng.ts'

export interface GenerateOptions {
  /** `run` and `step` have the interface of tasks; `main` has no imports and exports `main`. */
  readonly entry?: 'run' | 'step' | 'main'
  /** `hidden`: what the module computes does not depend on the bits of a NaN, so that it can be run without the pass. */
  readonly nan?: 'hidden' | 'seen'
  /** Calls that it makes at most, default 40; that and counted loops make every module end. With millions only fuel and stack do. */
  readonly calls?: number
}

const VALUE_TYPES = [t.i32, t.i64, t.f32, t.f64, t.v128]
const CALLS = 40
const TABLE_SIZE = 8

/**
 * A valid module, the same for the same seed: control flow, loops that end, direct and indirect calls, recursion,
 * every computing instruction, memory, bulk memory, several results, globals, and now and then a trap.
 */
export function generateModule(seed: number, options: GenerateOptions = {}): Uint8Array {
  const { entry = 'run', nan = 'seen', calls: most = CALLS } = options
  const random = new Prng(seed)
  const builder = new ModuleBuilder()
  const imports = entry === 'main' ? new Map<string, number>() : importAll(builder)
  builder.memory(1, 3).exportMemory().table(TABLE_SIZE)
  const calls = builder.global(t.i32, 'mutable', i32(most))
  const functions = declare(builder, random)
  const scope: ModuleScope = {
    random,
    nan,
    functions,
    globals: VALUE_TYPES.filter((type) => entry !== 'step' || type !== t.v128).map((type) => ({
      type,
      index: builder.global(type, 'mutable', constant({ random } as FunctionScope, type)),
    })),
    tableSize: TABLE_SIZE,
    typeOf: (params, results) => builder.type(params, results),
    dataSegments: 1,
    imports,
  }
  builder.passiveData([1, 2, 3, 4, 5, 6, 7])
  builder.data(
    random.below(1000),
    Array.from({ length: 64 }, () => random.below(256)),
  )
  builder.elements(
    0,
    functions.map(({ index }) => index),
  )
  for (const target of functions) define(builder, scope, target, calls)
  defineEntry(builder, scope, entry)
  for (const { index, type } of scope.globals) {
    if (type !== t.v128) builder.exportGlobal(`global_${index}`, index)
  }
  return builder.bytes()
}

function importAll(builder: ModuleBuilder): Map<string, number> {
  return new Map([
    ['input_size', builder.importFunction('askee', 'input_size', [], [t.i32])],
    ['input_read', builder.importFunction('askee', 'input_read', [t.i32, t.i32, t.i32], [t.i32])],
    ['output_write', builder.importFunction('askee', 'output_write', [t.i32, t.i32], [])],
    ['log', builder.importFunction('askee', 'log', [t.i32, t.i32], [])],
  ])
}

function declare(builder: ModuleBuilder, random: Prng): GeneratedFunction[] {
  const some = (most: number): number[] =>
    Array.from({ length: random.below(most + 1) }, () => random.pick(VALUE_TYPES))
  return Array.from({ length: 2 + random.below(4) }, () => {
    const params = some(4)
    const results = some(3)
    return { params, results, index: builder.func(params, results, [], []) }
  })
}

function define(builder: ModuleBuilder, scope: ModuleScope, target: GeneratedFunction, calls: number): void {
  const inner = new FunctionScope(scope, target.params, target.results)
  const { random } = scope
  const zero = target.results.map((type) => zeroOf(type))
  const limit: Code = [
    [globalGet(calls), i32(1), 0x6b, globalSet(calls)],
    [globalGet(calls), i32(0), 0x48, 0x04, 0x40, zero, 0x0f, 0x0b],
  ]
  const body = statements(inner, 1 + random.below(5), 1 + random.below(4))
  const results = target.results.map((type) => expression(inner, type, 3))
  builder.body(target.index, inner.locals, [limit, body, results])
}

function zeroOf(type: number): number[] {
  if (type === t.i32) return [0x41, 0]
  if (type === t.i64) return [0x42, 0]
  if (type === t.f32) return [0x43, 0, 0, 0, 0]
  if (type === t.f64) return [0x44, 0, 0, 0, 0, 0, 0, 0, 0]
  return [0xfd, 12, ...new Array<number>(16).fill(0)]
}

/** Calls every function, stores what it gives and (in a task) writes a piece of memory. */
function defineEntry(builder: ModuleBuilder, scope: ModuleScope, entry: 'run' | 'step' | 'main'): void {
  const results = entry === 'step' ? [t.i32] : []
  const inner = new FunctionScope(scope, [], results)
  const body: Code[] = scope.functions.map((target) => {
    const locals = target.results.map((type) => ({ type, local: inner.newLocal(type) }))
    const taken = locals.map(({ local }) => [0x21, local]).reverse()
    const stored = locals.map(({ type, local }, index) => [
      i32(64 + index * 16 + target.index * 64),
      inner.observable(type, [0x20, local]),
      storeOf(type),
    ])
    return [inner.invoke(target, 2), taken, stored]
  })
  const write = scope.imports.get('output_write')
  if (write !== undefined) body.push(i32(0), i32(1024), call(write))
  if (entry === 'step') {
    const left = builder.global(t.i32, 'mutable', i32(3))
    body.push([globalGet(left), i32(1), 0x6b, globalSet(left), globalGet(left)])
  }
  builder.exportFunction(entry, builder.func([], results, inner.locals, body))
}

function storeOf(type: number): number[] {
  if (type === t.v128) return [0xfd, 11, 0, 0]
  return [{ [t.i32]: 0x36, [t.i64]: 0x37, [t.f32]: 0x38, [t.f64]: 0x39 }[type] ?? 0x36, 0, 0]
}
