import { ABI_IMPORTS, type Admission } from '../module/admission.ts'
import { EXTERNAL_FUNCTION, type FunctionType, type Module } from '../module/model.ts'
import { I32, I64, V128 } from '../opcodes/types.ts'

/** A function that the pass appends. */
export type AddedFunction =
  | { readonly kind: 'import'; readonly type: number; readonly name: string; readonly target: number }
  | { readonly kind: 'grow'; readonly type: number }
  | { readonly kind: 'entry'; readonly type: number; readonly target: number; readonly start: number | null }
  | { readonly kind: 'state-get'; readonly type: number }
  | { readonly kind: 'state-set'; readonly type: number }

/** Everything the pass adds to a module, decided before the first function body is looked at. */
export interface Plan {
  readonly types: readonly FunctionType[]
  readonly addedTypes: number
  readonly functions: readonly AddedFunction[]
  /** Index of the first added function. */
  readonly firstFunction: number
  readonly standIns: ReadonlyMap<number, number>
  readonly growStandIn: number | null
  readonly fuelGlobal: number
  readonly stackGlobal: number
  /** Global that says whether the start function has run; null without one to defer. */
  readonly startedGlobal: number | null
  readonly stateWordsGlobal: number | null
  /** Mutable globals in the order of their words of state. */
  readonly state: readonly number[]
  /** Function that is exported as run or step instead of the module's own; null without the interface of tasks. */
  readonly entryStandIn: number | null
}

export function planModule(module: Module, admission: Admission): Plan {
  const types = [...module.types]
  const typeOf = (params: number[], results: number[]): number => internType(types, params, results)
  const task = admission.abi === 'askee'
  const functions: AddedFunction[] = []
  const firstFunction = module.functions.length
  const standIns = new Map<number, number>()
  let growStandIn: number | null = null
  let entryStandIn: number | null = null
  if (task) {
    const imported = module.imports.filter(({ kind }) => kind === EXTERNAL_FUNCTION)
    imported.forEach(({ name, typeIndex }, target) => {
      if (!ABI_IMPORTS.has(name)) return
      standIns.set(target, firstFunction + functions.length)
      functions.push({ kind: 'import', type: typeIndex, name, target })
    })
    growStandIn = firstFunction + functions.length
    functions.push({ kind: 'grow', type: typeOf([I32], [I32]) })
  }
  const deferred = task ? module.start : null
  const entry = module.exports.find(({ name }) => name === admission.entry)
  if (entry !== undefined) {
    entryStandIn = firstFunction + functions.length
    const type = module.functions[entry.index] as number
    // An entry may be an imported function: what is called is what charges.
    const charging = (index: number): number => standIns.get(index) ?? index
    const start = deferred === null ? null : charging(deferred.index)
    functions.push({ kind: 'entry', type, target: charging(entry.index), start })
  }
  const fuelGlobal = module.globals.length
  let next = fuelGlobal + 2
  const startedGlobal = deferred === null ? null : next++
  const stepwise = admission.entry === 'step'
  const stateWordsGlobal = stepwise ? next++ : null
  const state: number[] = []
  if (stepwise) {
    module.globals.forEach(({ mutable, type }, index) => {
      if (mutable && type !== V128) state.push(index)
    })
    if (startedGlobal !== null) state.push(startedGlobal)
    functions.push({ kind: 'state-get', type: typeOf([I32], [I64]) })
    functions.push({ kind: 'state-set', type: typeOf([I32, I64], []) })
  }
  internResultTypes(module, types)
  return {
    types,
    addedTypes: types.length - module.types.length,
    functions,
    firstFunction,
    standIns,
    growStandIn,
    fuelGlobal,
    stackGlobal: fuelGlobal + 1,
    startedGlobal,
    stateWordsGlobal,
    state,
    entryStandIn,
  }
}

/** Index of the type, appended when the module has none like it. */
export function internType(types: FunctionType[], params: number[], results: number[]): number {
  const same = (a: Uint8Array, b: number[]): boolean => a.length === b.length && b.every((x, i) => a[i] === x)
  const found = types.findIndex((type) => same(type.params, params) && same(type.results, results))
  if (found >= 0) return found
  types.push({ params: Uint8Array.from(params), results: Uint8Array.from(results) })
  return types.length - 1
}

/** Block types for bodies of functions with several results. */
function internResultTypes(module: Module, types: FunctionType[]): void {
  const seen = new Set<string>()
  for (const { results } of module.types) {
    const key = results.join()
    if (results.length < 2 || seen.has(key)) continue
    seen.add(key)
    internType(types, [], [...results])
  }
}

/** Block type of a function's results: an index, or the type byte as a negative number. */
export function resultBlockType(plan: Plan): (type: FunctionType) => number {
  const byResults = new Map<string, number>()
  plan.types.forEach((type, index) => {
    if (type.params.length === 0 && type.results.length > 1) byResults.set(type.results.join(), index)
  })
  return ({ results }) => {
    if (results.length === 0) return 0x40 - 0x80
    if (results.length === 1) return (results[0] as number) - 0x80
    return byResults.get(results.join()) as number
  }
}
