import type { FunctionType, GlobalType } from '../module/model.ts'

/** What function bodies of one module are validated against and instrumented for. */
export interface BodyContext {
  readonly bytes: Uint8Array
  readonly types: readonly FunctionType[]
  readonly functions: readonly number[]
  readonly globals: readonly GlobalType[]
  readonly hasTable: boolean
  readonly hasMemory: boolean
  readonly elementSegments: number
  /** Null without a data count section. */
  readonly dataSegments: number | null
  /** Function that stands for an imported one, by index of the imported one; empty when nothing is replaced. */
  readonly standIns: ReadonlyMap<number, number>
  /** Function that stands for memory.grow, or null. */
  readonly growStandIn: number | null
  /** Whether segments and the table may change: not in a task that is checkpointed between steps. */
  readonly tables: 'constant' | 'mutable'
}
