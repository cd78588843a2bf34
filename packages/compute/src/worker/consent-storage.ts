import type { ConsentErrorCode, ConsentGate, ConsentHoldings, ConsentLimits } from '@askee/consent'
import { AskeeError, type BlockStore, type Digest, type LeaseId } from '@askee/core'
import type { Executor } from '@askee/sandbox'
import type { StorageUse } from '../api.ts'
import { INLINE_OUTPUT_BYTES } from '../protocol/names.ts'
import { StorageShare } from './storage-share.ts'

export interface ConsentStorageComponents {
  readonly consents: Pick<ConsentGate, 'limitsOf'>
  readonly holdings: ConsentHoldings
  readonly blocks: BlockStore
  readonly executor: Pick<Executor, 'forget' | 'keptBytes' | 'mostKeptBytes'>
}

/** Room on disk that was given. */
export interface Hold {
  /** Nothing is written any more: what is there is counted, and may make room for others from now on. Idempotent. Rejects when the disk fails. */
  settle(): Promise<void>
}

/**
 * The disk of each consent (CON-2): modules, inputs, results and compiled code that are noted under its tokens, and room
 * promised to results on their way. What two consents need counts for both. Nothing is written before there is room within
 * the limit; what no task needs any more makes room, longest unused first.
 */
export class ConsentStorage {
  readonly #components: ConsentStorageComponents
  readonly #shares = new Map<string, StorageShare>()
  readonly #promised = new Map<LeaseId, { readonly share: StorageShare; readonly bytes: number }>()

  constructor(components: ConsentStorageComponents) {
    this.#components = components
  }

  /** Counts what earlier runs left, by the sizes of files alone; what is above a limit goes. */
  async start(): Promise<void> {
    const { holdings, consents } = this.#components
    this.#shares.clear()
    this.#promised.clear()
    for (const token of holdings.tokens()) {
      const limits = consents.limitsOf(token)
      // Of a consent that is not held here the erasure takes all away.
      if (limits === undefined || this.#shares.has(limits.consent)) continue
      await this.#shareOf(limits).recount(limits)
    }
    await this.trim()
  }

  /** Takes away what is above a limit that was narrowed, as far as no task needs it. */
  async trim(): Promise<void> {
    for (const share of this.#shares.values()) {
      const limits = this.#components.consents.limitsOf(share.token)
      if (limits !== undefined) await share.trim(limits)
    }
  }

  /** What one result of so many bytes may take, where results of that size go to disk. */
  resultBytes(outputBytes: number): number {
    return outputBytes > INLINE_OUTPUT_BYTES ? this.#components.blocks.diskBytes(outputBytes) : 0
  }

  /** Less than this is of no use to a campaign: a result, and the shortest module. */
  leastBytes(outputBytes: number): number {
    return this.resultBytes(outputBytes) + this.#components.blocks.diskBytes(1)
  }

  /** Whether a campaign with such results could ever be done under this consent; true when it is not held here. */
  couldHold(token: string, outputBytes: number): boolean {
    const limits = this.#components.consents.limitsOf(token)
    return limits === undefined || limits.storageBytes >= this.leastBytes(outputBytes)
  }

  /** Bytes that could be written for new work: what nobody needs would make room. */
  room(token: string): number {
    const limits = this.#components.consents.limitsOf(token)
    return limits === undefined ? 0 : limits.storageBytes - this.#shareOf(limits).needed
  }

  /** Keeps room for a lease's result until it is there or `withdraw` is called. */
  promise(lease: LeaseId, token: string, bytes: number): void {
    if (bytes === 0 || this.#promised.has(lease)) return
    const share = this.#shareOf(this.#limitsOf(token))
    share.promised += bytes
    this.#promised.set(lease, { share, bytes })
  }

  withdraw(lease: LeaseId): void {
    const promise = this.#promised.get(lease)
    if (promise === undefined) return
    promise.share.promised -= promise.bytes
    this.#promised.delete(lease)
  }

  /**
   * Room for a block, before it is written.
   * @param bytes of its content
   * @param promised the lease of whose promised room it is
   * @throws AskeeError `consent/storage`, `consent/unknown`
   */
  async block(token: string, digest: Digest, bytes: number, promised?: LeaseId): Promise<Hold> {
    const limits = this.#limitsOf(token)
    const share = this.#shareOf(limits)
    const needed = this.#components.blocks.diskBytes(bytes)
    return share.reserve(limits, { kind: 'block', token, digest, bytes: needed }, () => {
      if (promised !== undefined) this.withdraw(promised)
    })
  }

  /**
   * Room for a module or an input, before it is written.
   * @param bytes of its content
   * @param outputBytes the most that a result of the campaign has: there must be room for both at once
   * @throws AskeeError `consent/storage`, `consent/storage-never` when no waiting would help, `consent/unknown`
   */
  async fetched(token: string, digest: Digest, bytes: number, outputBytes: number): Promise<Hold> {
    const { consent, storageBytes } = this.#limitsOf(token)
    const needed = this.#components.blocks.diskBytes(bytes) + this.resultBytes(outputBytes)
    if (needed <= storageBytes) return this.block(token, digest, bytes)
    throw new AskeeError<ConsentErrorCode>(
      'consent/storage-never',
      `a block of ${bytes} bytes and a result of the campaign need ${needed} bytes on disk, and consent ${consent} allows ${storageBytes}. Grant more, or wait for smaller tasks.`,
      { needed, allowed: storageBytes },
    )
  }

  /**
   * Room for what is compiled of a module; undefined when there is none, so that nothing of it may be kept.
   * @param module the instrumented one
   */
  async compiled(token: string, module: Digest): Promise<Hold | undefined> {
    const { executor } = this.#components
    const most = executor.mostKeptBytes?.() ?? 0
    if (most === 0) return undefined
    const limits = this.#limitsOf(token)
    const share = this.#shareOf(limits)
    // What is there is not written anew, or no longer than it was: an engine makes the same of the same.
    const bytes = share.keeps('code', module) ? 0 : most
    return share
      .reserve(limits, { kind: 'code', token, digest: module, bytes }, () => undefined)
      .catch(() => undefined)
  }

  /** What a consent takes now, and may. Undefined when it is not held here. */
  async use(token: string): Promise<StorageUse | undefined> {
    const limits = this.#components.consents.limitsOf(token)
    if (limits === undefined) return undefined
    const counted = this.#shares.get(limits.consent)
    if (counted !== undefined) return { used: counted.used, allowed: limits.storageBytes }
    // Of one that has ended, perhaps: what its erasure left.
    const share = new StorageShare(this.#components, token)
    await share.recount(limits)
    return { used: share.used, allowed: limits.storageBytes }
  }

  /** The consents have ended: their erasure takes all away. */
  forget(tokens: readonly string[]): void {
    for (const token of tokens) {
      const limits = this.#components.consents.limitsOf(token)
      if (limits !== undefined) this.#shares.delete(limits.consent)
    }
  }

  #limitsOf(token: string): ConsentLimits {
    const limits = this.#components.consents.limitsOf(token)
    if (limits === undefined)
      throw new AskeeError<ConsentErrorCode>('consent/unknown', `no consent ${token} is held here`)
    return limits
  }

  #shareOf({ consent, tokens }: ConsentLimits): StorageShare {
    let share = this.#shares.get(consent)
    if (share === undefined) {
      // Its first token names the consent for ever.
      share = new StorageShare(this.#components, tokens.at(-1) ?? consent)
      this.#shares.set(consent, share)
    }
    return share
  }
}
