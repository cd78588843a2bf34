import { type BlockStore, type Digest, errorText } from '@askee/core'
import type { Database } from '@askee/store'
import { refuse } from '../errors.ts'

/** What was erased, and what stays because somebody else on this machine needs it. */
export interface Erased {
  readonly erased: readonly Digest[]
  readonly shared: readonly Digest[]
}

/** What is kept on this machine under which consent, so that its end can take all of it away (CON-5). */
export interface ConsentHoldings {
  /** Written down before anything of it is on disk: a crash in between leaves a note without bytes, never the reverse. */
  note(token: string, digest: Digest): void
  /**
   * Erases what is kept under these tokens and under no other; one piece that cannot be erased keeps none of the others. What
   * is left by a crash is erased by the next call.
   * @param forget erases what others made of the bytes: compiled code
   * @throws AskeeError `consent/not-written` with `Erased` as details: the bytes are gone, and the disk did not take that it is
   * so, which the next call makes up for; and the first error of a piece that could not be erased
   */
  erase(
    tokens: readonly string[],
    blocks: BlockStore,
    forget?: (digest: Digest) => Promise<void>,
  ): Promise<Erased>
  /** Tokens with notes. */
  tokens(): readonly string[]
  /** Everything that is noted. */
  digests(): readonly Digest[]
  /**
   * False after the database was put back: what came here since its copy was made has no note in it, and would never be
   * erased. Whoever erased what has no note says so with `complete`.
   */
  areComplete(): boolean
  complete(): void
  /** What is noted under any of these tokens, each once. */
  of(tokens: readonly string[]): readonly Digest[]
  /** Whether it is noted under another token than these. */
  isHeldElsewhere(tokens: readonly string[], digest: Digest): boolean
  /** Takes notes back, after the bytes are gone or when others alone need them. */
  drop(tokens: readonly string[], digest: Digest): void
}

/** Notes remembered as written; a forgotten one is written once more, to no effect. */
const KEPT_NOTED = 65_536

/** @param database with `CONSENT_MIGRATIONS` */
export function createConsentHoldings(database: Database): ConsentHoldings {
  const insert = database.prepare('INSERT OR IGNORE INTO holdings (token, digest) VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM holdings WHERE token = ? AND digest = ?')
  const of = database.prepare('SELECT digest FROM holdings WHERE token = ?').pluck()
  const holders = database.prepare('SELECT token FROM holdings WHERE digest = ?').pluck()
  const putBack = database.prepare('SELECT 1 FROM put_back')
  const noted = new Set<string>()
  const removeAll = database.transaction((over: readonly (readonly [token: string, digest: Digest])[]) => {
    for (const [token, digest] of over) {
      remove.run(token, digest)
      // Before it is certain: a note that is written twice says the same.
      noted.delete(`${token} ${digest}`)
    }
  })
  const isHeldElsewhere = (tokens: ReadonlySet<string>, digest: Digest): boolean =>
    (holders.all(digest) as string[]).some((holder) => !tokens.has(holder))

  return {
    note(token, digest) {
      // A campaign's module is noted for each of its tasks.
      const key = `${token} ${digest}`
      if (noted.has(key)) return
      insert.run(token, digest)
      if (noted.size >= KEPT_NOTED) noted.clear()
      noted.add(key)
    },
    async erase(tokens, blocks, forget) {
      const ending = new Set(tokens)
      const erased: Digest[] = []
      const shared: Digest[] = []
      const failures: unknown[] = []
      const over: [token: string, digest: Digest][] = []
      for (const token of tokens) {
        for (const digest of of.all(token) as Digest[]) {
          try {
            const isShared = isHeldElsewhere(ending, digest)
            if (!isShared) await forget?.(digest)
            if (isShared || (await blocks.remove(digest)) === 'pinned') shared.push(digest)
            else erased.push(digest)
            over.push([token, digest])
          } catch (error) {
            failures.push(error)
          }
        }
      }
      // Last, so that what a crash interrupts is done again; and of a full disk nothing is asked before the bytes are gone.
      try {
        removeAll(over)
      } catch (cause) {
        const text = `what was kept is erased, but the disk did not take that it is so (${errorText(cause)})`
        throw refuse('consent/not-written', text, { erased, shared }, cause)
      }
      if (failures.length > 0) throw failures[0]
      return { erased, shared }
    },
    of: (tokens) => [...new Set(tokens.flatMap((token) => of.all(token) as Digest[]))],
    isHeldElsewhere: (tokens, digest) => isHeldElsewhere(new Set(tokens), digest),
    drop: (tokens, digest) => removeAll(tokens.map((token) => [token, digest])),
    digests: () => database.prepare('SELECT DISTINCT digest FROM holdings').pluck().all() as Digest[],
    areComplete: () => putBack.get() === undefined,
    complete: () => {
      database.exec('DELETE FROM put_back')
    },
    tokens: () => database.prepare('SELECT DISTINCT token FROM holdings').pluck().all() as string[],
  }
}
