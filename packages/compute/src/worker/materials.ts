import type { Digest, Fuel } from '@askee/core'
import type { TrapCode } from '@askee/wasm'
import type { SignedManifest } from '../protocol/manifest.ts'

/** What a lease is about, beside what its machine must know. */
export interface Materials {
  readonly signed: SignedManifest
  /** Under which it came. */
  readonly consent: string
  readonly input: Digest
  /** The input when it came with the assignment; dropped once there is a result. */
  bytes: Uint8Array | null
  /** Ends fetching and execution. */
  readonly abort: AbortController
  result: CommittedResult | null
}

/** A result that is committed to and not yet settled. */
export interface CommittedResult {
  /** Null when it is kept in the block store. */
  readonly output: Uint8Array | null
  readonly outputBytes: number
  readonly outputDigest: Digest
  readonly trap: TrapCode | null
  readonly fuel: Fuel
  /** 32 bytes. */
  readonly nonce: Uint8Array
  readonly commitment: Digest
  /** Lets the block store drop what it keeps of it. */
  readonly release: () => void
}
