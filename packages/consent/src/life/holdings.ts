import type { BlockStore, Digest } from '@askee/core'
import type { Database } from '@askee/store'

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
   * Erases what is kept under these tokens and under no other. What is left by a crash is erased by the next call.
   * @param forget erases what others made of the bytes: compiled code
   */
  erase(
    tokens: readonly string[],
    blocks: BlockStore,
    forget?: (digest: Digest) => Promise<void>,
  ): Promise<Erased>
  /** Tokens with notes. */
  tokens(): readonly string[]
}

/** Notes remembered as written; a forgotten one is written once more, to no effect. */
const KEPT_NOTED = 65_536

/** @param database with `CONSENT_MIGRATIONS` */
export function createConsentHoldings(database: Database): ConsentHoldings {
  const insert = database.prepare('INSERT OR IGNORE INTO holdings (token, digest) VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM holdings WHERE token = ? AND digest = ?')
  const of = database.prepare('SELECT digest FROM holdings WHERE token = ?').pluck()
  const holders = database.prepare('SELECT token FROM holdings WHERE digest = ?').pluck()
  const noted = new Set<string>()

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
      for (const token of tokens) {
        for (const digest of of.all(token) as Digest[]) {
          const isHeldElsewhere = (holders.all(digest) as string[]).some((holder) => !ending.has(holder))
          if (!isHeldElsewhere) await forget?.(digest)
          if (isHeldElsewhere || (await blocks.remove(digest)) === 'pinned') shared.push(digest)
          else erased.push(digest)
          // Last, so that what a crash interrupts is done again.
          remove.run(token, digest)
          noted.delete(`${token} ${digest}`)
        }
      }
      return { erased, shared }
    },
    tokens: () => database.prepare('SELECT DISTINCT token FROM holdings').pluck().all() as string[],
  }
}
