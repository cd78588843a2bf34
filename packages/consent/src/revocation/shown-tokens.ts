import type { Clock, Milliseconds, NodeId } from '@askee/core'
import type { Database } from '@askee/store'
import type { RevokedToken } from '../gate.ts'
import type { ConsentClaims } from '../token/claims.ts'
import type { VerifiedConsent } from '../token/verify.ts'

/** How many tokens are remembered, about 400 bytes each. */
export interface ShownLimits {
  /** Nodes whose tokens are remembered. */
  readonly nodes: number
  /** Tokens of one node: those that it works under, and what was revoked of it. */
  readonly tokensOfNode: number
}

/** A node that shows no token for so long has no work from here; another may take its place. */
const IDLE_MS: Milliseconds = 24 * 3_600_000
/** So often it is written that a token was shown again. */
const TOUCH_MS: Milliseconds = 3_600_000

export type TokenLink = Pick<ConsentClaims, 'issuer' | 'id' | 'epoch'>

/** The links of a token: itself and what it narrows, nearest first. */
export function linksOf(consent: VerifiedConsent): readonly TokenLink[] {
  return [consent, ...consent.ancestors]
}

/**
 * Tokens that were shown here and verified: those that a revocation matters for. Each node has its own places, so that
 * whatever one shows displaces its own alone, and no newcomer displaces a node that was here within a day.
 */
export class ShownTokens {
  readonly #clock: Clock
  readonly #limits: ShownLimits
  readonly #find
  readonly #touch
  readonly #insert
  readonly #insertLink
  readonly #countOf
  readonly #nodes
  readonly #dropOldest
  readonly #dropIdle
  readonly #ofToken
  readonly #belowEpoch
  readonly #revoke
  readonly #admit: (consent: VerifiedConsent, revoked: 0 | 1) => void

  /** @param database with `CONSENT_MIGRATIONS` */
  constructor(database: Database, clock: Clock, limits: ShownLimits) {
    this.#clock = clock
    this.#limits = limits
    const prepare = (sql: string) => database.prepare(sql)
    this.#find = prepare('SELECT number, last, revoked FROM shown_tokens WHERE issuer = ? AND token = ?')
    this.#touch = prepare('UPDATE shown_tokens SET last = ? WHERE number = ?')
    this.#insert = prepare(
      'INSERT INTO shown_tokens (issuer, token, subject, until, last, revoked) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#insertLink = prepare('INSERT INTO shown_links (issuer, token, number, epoch) VALUES (?, ?, ?, ?)')
    this.#countOf = prepare('SELECT count(*) FROM shown_tokens WHERE subject = ?').pluck()
    this.#nodes = prepare('SELECT count(DISTINCT subject) FROM shown_tokens').pluck()
    this.#dropOldest = prepare(
      `DELETE FROM shown_tokens WHERE number =
         (SELECT number FROM shown_tokens WHERE subject = ? ORDER BY until > ?, revoked, last LIMIT 1)`,
    )
    this.#dropIdle = prepare(
      `DELETE FROM shown_tokens WHERE subject IN
         (SELECT subject FROM shown_tokens GROUP BY subject HAVING max(last) < ? OR max(until) <= ?)`,
    )
    const tokens =
      'SELECT DISTINCT t.number, t.token AS id, t.subject FROM shown_links l JOIN shown_tokens t USING (number)'
    this.#ofToken = prepare(`${tokens} WHERE l.issuer = ? AND l.token = ? AND t.revoked = 0`)
    this.#belowEpoch = prepare(`${tokens} WHERE l.issuer = ? AND l.epoch < ? AND t.revoked = 0`)
    this.#revoke = prepare('UPDATE shown_tokens SET revoked = 1 WHERE number = ?')
    this.#admit = database.transaction((consent: VerifiedConsent, revoked: 0 | 1) => {
      const now = this.#clock.now()
      const { issuer, id, subject, expires } = consent
      const held = this.#countOf.get(subject) as number
      if (held === 0 && !this.#hasRoom(now)) return
      if (held >= this.#limits.tokensOfNode) this.#dropOldest.run(subject, now)
      const { lastInsertRowid } = this.#insert.run(issuer, id, subject, expires, now, revoked)
      for (const link of linksOf(consent)) {
        this.#insertLink.run(link.issuer, link.id, lastInsertRowid, link.epoch)
      }
    })
  }

  /** Whether this token, as it was shown before, was found to be revoked. */
  isRevoked({ issuer, id }: Pick<TokenLink, 'issuer' | 'id'>): boolean {
    return (this.#find.get(issuer, id) as { revoked: number } | undefined)?.revoked === 1
  }

  /** Remembers a token that was verified. @throws what the disk says */
  note(consent: VerifiedConsent, state: 'good' | 'revoked'): void {
    const known = this.#find.get(consent.issuer, consent.id) as { number: number; last: number } | undefined
    const now = this.#clock.now()
    if (known === undefined) this.#admit(consent, state === 'revoked' ? 1 : 0)
    // In either direction: a clock that was wrong must not make it old, or new for ever.
    else if (Math.abs(now - known.last) >= TOUCH_MS) this.#touch.run(now, known.number)
  }

  /** Tokens that stand on this one and were not known to be revoked. */
  standingOn(issuer: NodeId, token: string): readonly ShownToken[] {
    return this.#ofToken.all(issuer, token) as ShownToken[]
  }

  /** The same for every token of the issuer below the epoch. */
  standingBelow(issuer: NodeId, epoch: number): readonly ShownToken[] {
    return this.#belowEpoch.all(issuer, epoch) as ShownToken[]
  }

  revoke(tokens: readonly ShownToken[]): void {
    for (const { number } of tokens) this.#revoke.run(number)
  }

  #hasRoom(now: number): boolean {
    if ((this.#nodes.get() as number) < this.#limits.nodes) return true
    return this.#dropIdle.run(now - IDLE_MS, now).changes > 0
  }
}

export interface ShownToken extends RevokedToken {
  readonly number: number
}
