import type {
  ConsentGate,
  ConsentHoldings,
  ConsentPermissions,
  ConsentQuestion,
  ConsentUses,
} from '@askee/consent'
import {
  AskeeError,
  type BlockStore,
  type CampaignId,
  type Digest,
  digestOf,
  errorText,
  type LeaseId,
  type Logger,
  type Mesh,
  type NodeId,
} from '@askee/core'
import { type Execution, type ExecutionRequest, type Executor, MIN_PROCESS_BYTES } from '@askee/sandbox'
import { putPinned } from '../pinned-block.ts'
import type { Manifest } from '../protocol/manifest.ts'
import type { ConsentBandwidth } from './consent-bandwidth.ts'
import type { ConsentStorage, Hold } from './consent-storage.ts'
import { processorShare } from './processor-share.ts'

const MIB = 1024 * 1024

export interface GatedWorkComponents {
  readonly mesh: Mesh
  /** Where large outputs wait for their reveal; without it in memory. */
  readonly blocks?: BlockStore
  readonly executor: Executor
  readonly consents: ConsentGate
  /** Where it is noted what is kept under which consent. */
  readonly holdings?: ConsentHoldings
  /** Holds each consent to its disk; there with a store and notes of what is in it. */
  readonly storage?: ConsentStorage
  /** Holds each consent to its line. */
  readonly bandwidth?: ConsentBandwidth
  readonly uses?: ConsentUses
  readonly logger: Logger
  readonly requesterReputation: (requester: NodeId) => number
  /** Tasks run at once, and processors of this machine. */
  readonly slots: number
  readonly processors: number
}

/** On whose behalf something is done here, and under which consent. */
export interface Permit {
  readonly consent: string
  readonly campaign: CampaignId
  readonly manifest: Manifest
}

/** What a consent is asked about a campaign's tasks. */
export function questionOf(
  { requester, kind, purpose, resources }: Manifest,
  reputation: (requester: NodeId) => number,
): ConsentQuestion {
  return {
    requester,
    kind,
    purpose,
    memoryBytes: resources.memoryBytes,
    durationMs: resources.wallTime,
    requesterReputation: reputation(requester),
  }
}

/**
 * The worker's only way to run, fetch, keep or show anything: each method asks the gate before it acts, and again when the
 * act took time (CON-1). test/meta/consent-gate.test.ts holds the rest of the worker to it.
 */
export class GatedWork {
  readonly #components: GatedWorkComponents

  constructor(components: GatedWorkComponents) {
    this.#components = components
  }

  /** Large results go to disk, where there is a store. */
  get hasStore(): boolean {
    return this.#components.blocks !== undefined
  }

  /** @throws AskeeError with the code of the refusal */
  check({ consent, manifest }: Permit): ConsentPermissions {
    return this.#components.consents.check(
      consent,
      questionOf(manifest, this.#components.requesterReputation),
    )
  }

  /**
   * A block of the campaign, from here or from its requester.
   * @param options `signal` ends with the last task that wants it, and so with the consent
   */
  async fetch(
    permit: Permit,
    digest: Digest,
    options: { readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    this.check(permit)
    const { mesh, storage, bandwidth } = this.#components
    const { consent, manifest } = permit
    const { maxBytes, signal } = options
    let hold: Hold | undefined
    try {
      return await mesh.getBlock(digest, {
        providers: [manifest.requester],
        maxBytes,
        signal,
        admit: async (bytes) => {
          hold ??= await storage?.fetched(consent, digest, bytes, manifest.resources.outputBytes)
        },
        pace: async (bytes) => {
          await bandwidth?.take(consent, bytes, 'block', { signal })
          // The wait may have been long.
          this.check(permit)
          return (came) => bandwidth?.correct(consent, bytes, came)
        },
      })
    } finally {
      await this.#letGo(hold)
      await this.#settle(permit)
    }
  }

  /**
   * Keeps the result of a lease until it is shown; the returned function lets go of it.
   * @throws AskeeError `consent/storage`, `blocks/full`
   */
  async keep(permit: Permit, lease: LeaseId, bytes: Uint8Array): Promise<() => void> {
    const { blocks, storage, consents } = this.#components
    this.check(permit)
    if (blocks === undefined) throw new AskeeError('compute/internal', 'expected a store for large outputs')
    const hold = await storage?.block(permit.consent, digestOf(bytes), bytes.byteLength, lease)
    let unpin = (): void => {}
    const release = (): void => {
      unpin()
      void this.#letGo(hold)
    }
    try {
      // In the store alone: announced, its digest would tell others the answer before the reveal.
      unpin = await putPinned(blocks, bytes)
    } catch (error) {
      release()
      throw error
    }
    if (consents.hasEnded?.(permit.consent) ?? false) release()
    await this.#settle(permit)
    return release
  }

  /** Puts a result up for its requester to fetch. */
  async show(permit: Permit, bytes: Uint8Array): Promise<void> {
    const { mesh, storage } = this.#components
    this.check(permit)
    const hold = await storage?.block(permit.consent, digestOf(bytes), bytes.byteLength)
    try {
      await mesh.putBlock(bytes)
    } finally {
      await this.#letGo(hold)
      await this.#settle(permit)
    }
  }

  /** Runs one task. @param module digest of the instrumented module, under which compiled code of it is kept */
  async run(permit: Permit, module: Digest, request: ExecutionRequest): Promise<Execution> {
    const { executor, storage, uses, slots, processors } = this.#components
    const { resources } = this.check(permit)
    const hold = await storage?.compiled(permit.consent, module)
    // Meanwhile files may have been removed to make room.
    this.check(permit)
    uses?.used(permit.consent, { campaign: permit.campaign, purpose: permit.manifest.purpose })
    const cpuPercent = processorShare(resources.cpuPercentMax, slots, processors)
    // A consent speaks of each task: its engine and compiler are within that, not beside it.
    const processBytes = Math.max(MIN_PROCESS_BYTES, resources.ramMbMax * MIB)
    const limits = { ...request.limits, cpuPercent, processBytes }
    const compiled = storage === undefined || hold !== undefined ? 'kept' : 'not-kept'
    try {
      const execution = await executor.execute({ ...request, limits, compiled })
      const over = () => this.#letGo(hold)
      void execution.outcome.then(over, over)
      return execution
    } catch (error) {
      await this.#letGo(hold)
      throw error
    }
  }

  /** Never rejects: a disk that fails at the counting is no reason to lose what was done, or to end the agent. */
  async #letGo(hold: Hold | undefined): Promise<void> {
    try {
      await hold?.settle()
    } catch (error) {
      this.#components.logger.warn({ error: errorText(error) }, 'what is on disk could not be counted')
    }
  }

  /** What was on its way to the disk when the consent ended came after the erasure: it is erased now. */
  async #settle({ consent }: Permit): Promise<void> {
    const { blocks, holdings, executor, consents } = this.#components
    if (!(consents.hasEnded?.(consent) ?? false)) return
    if (blocks !== undefined) {
      await holdings?.erase([consent], blocks, async (digest) => executor.forget?.(digest))
    }
    throw new AskeeError('consent/revoked', 'the consent ended meanwhile')
  }
}
