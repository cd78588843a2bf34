import type { Timers } from '@askee/core'

/**
 * Work of one turn of the event loop, in units of 40 µs on a quiet machine and ten times that on one whose cores are all taken
 * (a content opened, an entry hashed). What else the agent does, to kill what a revoked consent runs above all, waits no longer.
 */
export const UNITS_A_TURN = 8
/** What checking one signature costs. */
export const SIGNATURE_UNITS = 3

export interface TurnComponents {
  readonly timers: Timers
  /** Ends long work early; it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** Cuts long work into pieces, with turns of the event loop between them. Counted, not timed. */
export interface Turns {
  /** Call it between two steps, and hold no cursor of a database over it: others write in the meantime. */
  spend(units: number): Promise<void>
}

export function createTurns({ timers, signal }: TurnComponents): Turns {
  let spent = 0
  return {
    async spend(units) {
      signal?.throwIfAborted()
      spent += units
      if (spent < UNITS_A_TURN) return
      spent = 0
      await timers.sleep(0, signal)
    },
  }
}
