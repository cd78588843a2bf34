import type { Timestamp } from '@askee/core'
import type { CoordinatorEffect } from './events.ts'
import type { CoordinatorState } from './state.ts'

/** One step in the making: the state being changed, the time of the event, and what it brings about. */
export interface Context {
  readonly state: CoordinatorState
  readonly now: Timestamp
  readonly effects: CoordinatorEffect[]
  /** Whether the state changed in a way that the journal must know. */
  changed: boolean
}
