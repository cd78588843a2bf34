import type { Timestamp } from '@askee/core'
import type { KeyState } from './states.ts'
import type { ChainUse, RotationPolicy } from './uses.ts'

export type RevocationReason = 'compromised' | 'lost' | 'paranoid' | 'ended'

/** One key of a chain; the secret is elsewhere. */
export interface KeyRecord {
  /** Digest of use and public key; see `kidOf`. */
  readonly kid: string
  readonly publicKey: Uint8Array
  readonly state: KeyState
  /** Others may use it from `notBefore` until just before `expires`. */
  readonly notBefore: Timestamp
  readonly expires: Timestamp
  /** The key before it in the chain. */
  readonly previous: string | null
  /** Grows along the chain; not below the time (ms since 1970) at which the key was made. */
  readonly sequence: number
}

/** An emergency: every key up to `sequence` is void. */
export interface RevocationRecord {
  readonly sequence: number
  readonly kids: readonly string[]
  readonly revokedAt: Timestamp
  /** After this nobody would use the revoked keys anyway: they are expired everywhere. */
  readonly until: Timestamp
  readonly reason: RevocationReason
}

/** A key that is being made. */
export interface Successor {
  readonly sequence: number
  readonly notBefore: Timestamp
  readonly expires: Timestamp
  readonly previous: string | null
}

export interface ChainState {
  readonly use: ChainUse
  readonly policy: RotationPolicy
  /** In order of sequence. Of destroyed keys the newest few stay, for history. */
  readonly keys: readonly KeyRecord[]
  readonly revocations: readonly RevocationRecord[]
  readonly nextSequence: number
  readonly making: Successor | null
}

export type ChainEvent =
  /** First after every start: what was under way when the process ended is done again. */
  | { readonly type: 'loaded'; readonly now: Timestamp }
  | { readonly type: 'tick'; readonly now: Timestamp }
  | {
      readonly type: 'made'
      readonly now: Timestamp
      readonly sequence: number
      readonly kid: string
      readonly publicKey: Uint8Array
    }
  /** A new key now, the old one in grace. */
  | { readonly type: 'rotate'; readonly now: Timestamp }
  /** Everything up to now is void at once. */
  | { readonly type: 'compromised'; readonly now: Timestamp; readonly reason: RevocationReason }
  | { readonly type: 'secret-gone'; readonly kid: string }

export type ChainEffect =
  | ({ readonly type: 'make' } & Successor)
  /** Tell others of the key. */
  | { readonly type: 'publish'; readonly kid: string }
  /** Tell others that keys are void. */
  | { readonly type: 'revoke'; readonly revocation: RevocationRecord }
  /** Destroy the secret, then report `secret-gone`. */
  | { readonly type: 'destroy'; readonly kid: string }

export function emptyChain(use: ChainUse, policy: RotationPolicy): ChainState {
  return { use, policy, keys: [], revocations: [], nextSequence: 1, making: null }
}

/** The key that others should use now, if there is one. */
export function activeKey(chain: ChainState): KeyRecord | undefined {
  return chain.keys.find((key) => key.state === 'active')
}
