import type { ConsentHoldings, ConsentRegistry, Erased } from '@askee/consent'
import { AskeeError, type BlockStore, errorText, type Logger } from '@askee/core'
import type { Executor } from '@askee/sandbox'

export interface ErasureComponents {
  readonly consents: ConsentRegistry
  readonly holdings: ConsentHoldings
  readonly blocks: BlockStore
  readonly executor: Pick<Executor, 'forget'>
  readonly logger: Logger
}

/** How many blocks went, and how many stay that somebody else here needs. */
export interface ErasedCount {
  readonly erased: number
  readonly shared: number
}

interface Unwritten extends ErasedCount {
  readonly tokens: ReadonlySet<string>
}

const NOTHING: ErasedCount = { erased: 0, shared: 0 }

/**
 * Erases what is kept under consents that have ended, whether or not the disk takes down that it is so (CON-5): what a full
 * disk did not take is kept in mind and written when it does.
 */
export class Erasure {
  readonly #components: ErasureComponents
  readonly #unwritten = new Map<string, Unwritten>()

  constructor(components: ErasureComponents) {
    this.#components = components
  }

  /** @throws the first error of what could not be erased; the next call tries it again */
  async erase(tokens: readonly string[]): Promise<ErasedCount> {
    const { consents } = this.#components
    const byConsent = Map.groupBy(
      tokens,
      (token) => consents.list().find((entry) => entry.tokens.includes(token))?.id,
    )
    const sum = { erased: 0, shared: 0 }
    const errors: unknown[] = []
    for (const [id, own] of byConsent) {
      try {
        const { erased, shared } = await this.#eraseOne(id, own)
        sum.erased += erased
        sum.shared += shared
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
    return sum
  }

  /** Erases what is noted under ended consents, after a crash too, and writes down what was not. */
  async resume(): Promise<void> {
    const { consents, holdings } = this.#components
    const ended = holdings.tokens().filter((token) => consents.hasEnded?.(token) ?? true)
    const tokens = new Set([...ended, ...this.tokens()])
    if (tokens.size > 0) await this.erase([...tokens])
    if (!holdings.areComplete()) await this.#eraseUnnoted()
  }

  /**
   * What came here after the copy was made that stands here again has no note: whoever it was for, nothing says so any more.
   * What an own campaign needs is pinned.
   */
  async #eraseUnnoted(): Promise<void> {
    const { holdings, blocks, consents } = this.#components
    const erased = await blocks.removeAllBut(() => holdings.digests())
    const reason = 'the consents were put back, and know nothing of these blocks'
    if (erased > 0) consents.history.write('erased', 'all', 'done', { blocks: erased, shared: 0, reason })
    holdings.complete()
  }

  /** Those of which the disk did not take everything. */
  tokens(): readonly string[] {
    return [...this.#unwritten.values()].flatMap(({ tokens }) => [...tokens])
  }

  async #eraseOne(id: string | undefined, tokens: readonly string[]): Promise<ErasedCount> {
    const { holdings, blocks, executor } = this.#components
    try {
      const { erased, shared } = await holdings.erase(tokens, blocks, async (digest) =>
        executor.forget?.(digest),
      )
      const count = { erased: erased.length, shared: shared.length }
      return id === undefined ? count : this.#write(id, tokens, count)
    } catch (error) {
      const count = countOf(error)
      if (count === undefined || id === undefined) throw error
      return this.#remember(id, tokens, count, error)
    }
  }

  /** Not before the revocation itself is on disk: the history would say that a live consent was erased. */
  #write(id: string, tokens: readonly string[], count: ErasedCount): ErasedCount {
    const { consents } = this.#components
    const all = larger(count, this.#unwritten.get(id) ?? NOTHING)
    try {
      consents.settle(id)
      consents.history.write('erased', id, 'done', { blocks: all.erased, shared: all.shared })
      this.#unwritten.delete(id)
      return all
    } catch (error) {
      return this.#remember(id, tokens, count, error)
    }
  }

  #remember(id: string, tokens: readonly string[], count: ErasedCount, error: unknown): ErasedCount {
    const before = this.#unwritten.get(id)
    const all = larger(count, before ?? NOTHING)
    this.#unwritten.set(id, { ...all, tokens: new Set([...(before?.tokens ?? []), ...tokens]) })
    if (before === undefined) {
      const { logger } = this.#components
      logger.error({ consent: id, error: errorText(error) }, 'an erasure is done and not written down')
    }
    return all
  }
}

/** What went although the disk did not take it; undefined when the error is another. */
function countOf(error: unknown): ErasedCount | undefined {
  if (!(error instanceof AskeeError) || error.code !== 'consent/not-written') return undefined
  const { erased, shared } = error.details as Erased
  return { erased: erased.length, shared: shared.length }
}

/** A second call finds the same blocks absent, or no notes any more. */
function larger(a: ErasedCount, b: ErasedCount): ErasedCount {
  return { erased: Math.max(a.erased, b.erased), shared: Math.max(a.shared, b.shared) }
}
