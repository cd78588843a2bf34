import type { Digest, Fuel } from '@askee/core'
import type { TrapCode } from '@askee/wasm'
import type { SignedManifest } from '../protocol/manifest.ts'

/** What a lease is about, beside what its machine must know. */
export interface Materials {
  readonly signed: SignedManifest
  readonly input: Digest
  /** The input when it came with the assignment. */
  readonly bytes: Uint8Array | null
  /** Ends fetching and execution. */
  readonly abort: AbortController
  result: CommittedResult | null
}

/** A result that is committed to and not yet settled. */
export interface CommittedResult {
  readonly output: Uint8Array
  readonly outputDigest: Digest
  readonly trap: TrapCode | null
  readonly fuel: Fuel
  /** 32 bytes. */
  readonly nonce: Uint8Array
  readonly commitment: Digest
}
