import { type Digest, domainHash, utf8 } from '@askee/core'
import type { FaultKind } from '../options.ts'

/** What a faulty node knows of itself and its accomplices. */
export interface Mischief {
  readonly kinds: readonly FaultKind[]
  /** The same for all faulty nodes of a simulation: how colluders agree without talking. */
  readonly seed: number
}

/** The fault that shows on the task with this input; the same answer wherever in the node it is asked. */
export function faultOn(mischief: Mischief, input: Digest): FaultKind {
  const draw = Number.parseInt(
    domainHash('askee/simulate/fault', utf8(`${mischief.seed}`), utf8(input)).slice(0, 8),
    16,
  )
  return mischief.kinds[draw % mischief.kinds.length] as FaultKind
}

/** 32 bytes that look like a result and are none. */
export function falseOutput(salt: string, input: Digest): Uint8Array {
  return new Uint8Array(Buffer.from(domainHash('askee/simulate/lie', utf8(salt), utf8(input)), 'hex'))
}
