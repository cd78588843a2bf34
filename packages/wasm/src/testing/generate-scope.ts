import { NAN_F32X4 } from '../opcodes/types.ts'
import { type Code, call, get, set, type as t, tee } from './builder.ts'
import { expression } from './generate-expressions.ts'
import type { Prng } from './prng.ts'

export interface GeneratedFunction {
  readonly index: number
  readonly params: readonly number[]
  readonly results: readonly number[]
}

/** What a generated module has, as far as its functions can name it. */
export interface ModuleScope {
  readonly random: Prng
  /** `hidden`: the bits of a NaN never reach an integer, memory or another shape. */
  readonly nan: 'hidden' | 'seen'
  readonly functions: readonly GeneratedFunction[]
  readonly globals: readonly { readonly index: number; readonly type: number }[]
  readonly tableSize: number
  readonly typeOf: (params: readonly number[], results: readonly number[]) => number
  readonly dataSegments: number
  readonly imports: ReadonlyMap<string, number>
}

const TYPES: readonly number[] = [t.i32, t.i64, t.f32, t.f64, t.v128]
const LOCALS_OF_EACH = 2

/** Locals, labels and scratch space of one function that is generated. */
export class FunctionScope {
  readonly module: ModuleScope
  readonly params: readonly number[]
  readonly results: readonly number[]
  readonly locals: number[]
  /** Result types of the labels around, outermost first. */
  readonly labels: { results: readonly number[] }[]
  loops = 0

  constructor(module: ModuleScope, params: readonly number[], results: readonly number[]) {
    this.module = module
    this.params = params
    this.results = results
    this.locals = TYPES.flatMap((type) => Array.from({ length: LOCALS_OF_EACH + 1 }, () => type))
    this.labels = [{ results }]
  }

  get random(): Prng {
    return this.module.random
  }

  /** Some local of the type; its scratch local is never among them. */
  local(type: number): number {
    const own = this.params.flatMap((param, index) => (param === type ? [index] : []))
    const first = this.#scratch(type) + 1
    return this.random.pick([...own, ...Array.from({ length: LOCALS_OF_EACH }, (_, index) => first + index)])
  }

  #scratch(type: number): number {
    return this.params.length + TYPES.indexOf(type) * (LOCALS_OF_EACH + 1)
  }

  /** A local of its own. */
  newLocal(type: number): number {
    this.locals.push(type)
    return this.params.length + this.locals.length - 1
  }

  globalOf(type: number): number | null {
    const found = this.module.globals.filter((global) => global.type === type)
    return found.length === 0 ? null : this.random.pick(found).index
  }

  inside<T>(label: { results: readonly number[] }, make: () => T): T {
    this.labels.push(label)
    try {
      return make()
    } finally {
      this.labels.pop()
    }
  }

  /** `code` of a float, with 0 for NaN where its bits must not be seen. */
  observable(type: number, code: Code): Code {
    if (this.module.nan === 'seen' || (type !== t.f32 && type !== t.f64)) return code
    const local = this.#scratch(type)
    const zero = type === t.f32 ? [0x43, 0, 0, 0, 0] : [0x44, 0, 0, 0, 0, 0, 0, 0, 0]
    return [code, tee(local), zero, get(local), get(local), type === t.f32 ? 0x5b : 0x61, 0x1b]
  }

  observableVector(shape: number, code: Code): Code {
    if (this.module.nan === 'seen') return code
    const local = this.#scratch(t.v128)
    const equal = [0xfd, shape === NAN_F32X4 ? 0x41 : 0x47]
    return [code, tee(local), get(local), get(local), equal, 0xfd, 0x4e]
  }

  /** A call, direct or through the table, of a function that has `type` among its results; the rest is stored. */
  callFor(type: number, depth: number): Code | null {
    const found = this.module.functions.filter(({ results }) => results.includes(type))
    if (found.length === 0) return null
    const target = this.random.pick(found)
    const kept = target.results.indexOf(type)
    const home = this.newLocal(type)
    const stores = target.results
      .map((result, index) => set(index === kept ? home : this.local(result)))
      .reverse()
    return [this.invoke(target, depth), ...stores, get(home)]
  }

  invoke(target: GeneratedFunction, depth: number): Code {
    const args = target.params.map((param) => expression(this, param, Math.min(depth - 1, 2)))
    if (!this.random.chance(30)) return [...args, call(target.index)]
    const typeIndex = this.module.typeOf(target.params, target.results)
    const position = this.module.functions.indexOf(target)
    const index = this.random.chance(95) ? position : this.random.below(this.module.tableSize + 1)
    return [...args, 0x41, index, 0x11, typeIndex, 0x00]
  }
}
