import type { Milliseconds } from '@askee/core'

/**
 * What a key may be used for; no key serves two uses. `signing` is the node's identity itself. `sealing` opens envelopes;
 * `sealing-inner` is the independent second layer of paranoid mode.
 */
export const KEY_USES = ['signing', 'sealing', 'sealing-inner', 'audit', 'status'] as const
export type KeyUse = (typeof KEY_USES)[number]
/** Uses whose keys follow each other in a chain. The identity is the node's name, so it is revoked, never rotated. */
export type ChainUse = Exclude<KeyUse, 'signing'>
export const CHAIN_USES = ['sealing', 'sealing-inner', 'audit', 'status'] as const satisfies ChainUse[]
export type SealingUse = 'sealing' | 'sealing-inner'

export interface RotationPolicy {
  /** How long others may start to use a key. */
  readonly activeFor: Milliseconds
  /** How long before its time a successor is made and told, so that nobody is without a key at the change. */
  readonly lead: Milliseconds
  /** How long after its time a key still opens what was under way. */
  readonly grace: Milliseconds
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
export const GRACE: Milliseconds = DAY

export const ROTATION_POLICIES: Readonly<Record<ChainUse, RotationPolicy>> = {
  sealing: { activeFor: DAY, lead: HOUR, grace: GRACE },
  'sealing-inner': { activeFor: DAY, lead: HOUR, grace: GRACE },
  audit: { activeFor: 90 * DAY, lead: DAY, grace: GRACE },
  status: { activeFor: 90 * DAY, lead: DAY, grace: GRACE },
}
