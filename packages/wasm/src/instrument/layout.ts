import { STACK_FRAME_BYTES, STACK_LEAF_BYTES } from '../constants.ts'
import { COSTS_V1 } from '../opcodes/costs.ts'
import { NAN_F32, NAN_F32X4, NAN_F64, NAN_F64X2 } from '../opcodes/types.ts'
import type { Body } from '../validate/body.ts'
import { EDIT } from './edits.ts'

/** Indices of the globals that the pass adds. */
export interface PassGlobals {
  readonly fuel: number
  readonly stack: number
}

/** Scratch locals that one function needs; −1 where it needs none. */
export interface Scratch {
  readonly fuel: number
  readonly stack: number
  readonly length: number
  readonly f32: number
  readonly f64: number
  readonly v128: number
  readonly count: number
  /** Whether fuel is checked at the function's entry. */
  readonly checksEntry: boolean
}

/** Stack accounting of one function in bytes, or 0 when it is not accounted. */
export function frameBytes(body: Body): number {
  const bytes =
    STACK_FRAME_BYTES + body.signatureBytes + body.localBytes + body.operands.peakBytes + body.computedBytes
  return body.calls || bytes > STACK_LEAF_BYTES ? bytes : 0
}

/** Whether the loop (or none: −1) keeps fuel in the local: nothing called in it can change it. */
export function keepsFuelLocal(body: Body, loop: number): boolean {
  return loop >= 0 && body.tape.loopCalls[loop] === false
}

export function planScratch(body: Body, stackBytes: number): Scratch {
  const { tape } = body
  let units = 0
  let fuel = false
  let length = false
  let shapes = 0
  for (let index = 0; index < tape.length; index++) {
    const kind = tape.kind(index)
    if (kind === EDIT.charge || kind === EDIT.loopCharge) units += tape.a(index)
    if (kind === EDIT.loopCharge) fuel = true
    else if (kind === EDIT.length) fuel = length = true
    else if (kind === EDIT.canonical && tape.b(index) === 0) shapes |= 1 << tape.a(index)
  }
  // Thousands of calls may stand in a row; were a callee of any size unchecked, they would do their product for nothing.
  const checksEntry = body.calls || units > COSTS_V1.unchecked
  let next = body.localCount
  const take = (needed: boolean): number => (needed ? next++ : -1)
  const has = (...nan: number[]): boolean => nan.some((shape) => (shapes & (1 << shape)) !== 0)
  return {
    fuel: take(fuel || checksEntry),
    stack: take(stackBytes > 0),
    length: take(length),
    f32: take(has(NAN_F32)),
    f64: take(has(NAN_F64)),
    v128: take(has(NAN_F32X4, NAN_F64X2)),
    count: next - body.localCount,
    checksEntry,
  }
}
