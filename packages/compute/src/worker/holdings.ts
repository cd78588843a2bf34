import { AskeeError, type Digest, type LeaseId, type NodeId } from '@askee/core'
import type { CommittedResult, Materials } from './materials.ts'
import { ShownOutputs } from './shown-outputs.ts'

/** What is kept for each lease beside what the machine knows of it: inputs, what runs, results until they are settled. */
export class Holdings {
  readonly #materials = new Map<LeaseId, Materials>()
  readonly #outputs = new ShownOutputs()

  get(lease: LeaseId): Materials | undefined {
    return this.#materials.get(lease)
  }

  add(lease: LeaseId, about: Pick<Materials, 'signed' | 'consent' | 'input' | 'bytes'>): void {
    this.#materials.set(lease, { ...about, abort: new AbortController(), result: null })
  }

  /** The task ended. Whether the lease still stands; the result of one that does not is released. */
  complete(lease: LeaseId, materials: Materials, result: CommittedResult): boolean {
    if (this.#materials.get(lease) !== materials) {
      result.release()
      return false
    }
    materials.result = result
    materials.bytes = null
    this.#outputs.add(materials.signed.manifest.requester, result.outputDigest, materials.consent)
    return true
  }

  /** Stops what runs for the lease, if anything, and drops its data; what was kept, if anything. */
  forget(lease: LeaseId, reason: string): Materials | undefined {
    const materials = this.#materials.get(lease)
    if (materials === undefined) return undefined
    const { signed, consent, result, abort } = materials
    // With a result there is nothing left to stop.
    if (result === null) abort.abort(new AskeeError('compute/dropped', reason))
    else {
      this.#outputs.remove(signed.manifest.requester, result.outputDigest, consent)
      result.release()
    }
    this.#materials.delete(lease)
    return materials
  }

  /** Whether `requester` asked for the work whose output this is. Constant time. */
  isOutputFor(requester: NodeId, digest: Digest): boolean {
    return this.#outputs.consentOf(requester, digest) !== undefined
  }

  /** The consent under which that output is held, if it is. Constant time. */
  consentOf(requester: NodeId, digest: Digest): string | undefined {
    return this.#outputs.consentOf(requester, digest)
  }

  /** Stops everything and forgets it. */
  clear(reason: unknown): void {
    for (const { abort, result } of this.#materials.values()) {
      abort.abort(reason)
      result?.release()
    }
    this.#materials.clear()
    this.#outputs.clear()
  }
}
