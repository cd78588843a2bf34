import type { Clock, NodeId, Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import { refuse } from '../errors.ts'
import type { RevocationNews } from '../gate.ts'
import type { VerifiedConsent } from '../token/verify.ts'
import { type RevocationCertificate, verifyCertificate } from './certificate.ts'
import { linksOf, type ShownToken, ShownTokens, type TokenLink } from './shown-tokens.ts'

/** Revocations that this node heard of; they survive restarts. */
export interface RevocationBook extends RevocationNews {
  /**
   * Takes a certificate, whoever brought it.
   * @returns `known` when it says nothing new, `over` when all it ends has ended by itself
   * @throws AskeeError with a ConsentErrorCode when it is no certificate
   */
  take(text: string): 'new' | 'known' | 'over'
  /** Throws `consent/revoked` when the token or one that it narrows was revoked; remembers it as shown here. */
  check(consent: VerifiedConsent): void
}

/** How much is kept. What is known of tokens that were shown here is in their own places, and no stranger displaces it. */
export interface BookInit {
  /** Revoked tokens that nobody has shown here, about 250 bytes each; the oldest go first. Default 50,000. */
  readonly tokensOfStrangers?: number
  /** Epochs of issuers none of whose tokens was shown here, about 150 bytes each; the oldest go first. Default 20,000. */
  readonly epochsOfStrangers?: number
  /** Nodes whose tokens are remembered as shown here. Default 4,096. */
  readonly nodes?: number
  /** Tokens remembered of each node. Default 64. */
  readonly tokensOfNode?: number
}

/**
 * @param components.database with `CONSENT_MIGRATIONS`. All of the book is there; every look goes by an index, however much
 * was heard.
 */
export function createRevocationBook(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  init: BookInit = {},
): RevocationBook {
  const { tokensOfStrangers = 50_000, epochsOfStrangers = 20_000, nodes = 4096, tokensOfNode = 64 } = init
  const listeners = new Set<Parameters<RevocationNews['onRevoked']>[0]>()
  const shown = new ShownTokens(database, clock, { nodes, tokensOfNode })
  const find = database.prepare('SELECT 1 FROM revocations WHERE issuer = ? AND token = ?').pluck()
  const insert = database.prepare('INSERT OR IGNORE INTO revocations (issuer, token, until) VALUES (?, ?, ?)')
  const trim = database.prepare(
    `DELETE FROM revocations WHERE sequence <= (SELECT max(sequence) FROM revocations) - ${tokensOfStrangers}`,
  )
  const epochOf = database.prepare('SELECT minimum FROM epochs WHERE issuer = ?').pluck()
  const upsertEpoch = database.prepare(
    `INSERT INTO epochs (issuer, minimum) VALUES (?, ?)
     ON CONFLICT (issuer) DO UPDATE SET minimum = excluded.minimum`,
  )
  const strangers = `FROM epochs WHERE NOT EXISTS (SELECT 1 FROM shown_links l WHERE l.issuer = epochs.issuer)`
  const countEpochs = database.prepare(`SELECT count(*) ${strangers}`).pluck()
  const trimEpochs = database.prepare(
    `DELETE FROM epochs WHERE rowid IN (SELECT rowid ${strangers} ORDER BY rowid LIMIT ?)`,
  )
  let epochsHeard = countEpochs.get() as number

  const isRevoked = ({ issuer, id, epoch }: TokenLink): boolean =>
    epoch < minimumOf(issuer) || find.get(issuer, id) !== undefined
  const minimumOf = (issuer: NodeId): number => (epochOf.get(issuer) as number | undefined) ?? 0

  const keepEpoch = (issuer: NodeId, minEpoch: number): boolean => {
    const before = minimumOf(issuer)
    if (minEpoch <= before) return false
    upsertEpoch.run(issuer, minEpoch)
    // Counted anew once in so many, so that a flood costs each of its certificates little.
    if (before === 0 && ++epochsHeard > epochsOfStrangers + SLACK) {
      trimEpochs.run(Math.max(0, (countEpochs.get() as number) - epochsOfStrangers))
      epochsHeard = countEpochs.get() as number
    }
    return true
  }
  const keepTokens = (issuer: NodeId, tokens: readonly string[], until: Timestamp): boolean => {
    let news = false
    for (const token of tokens) if (insert.run(issuer, token, until).changes > 0) news = true
    // By their number alone: what is over by a clock that is ahead would be good again once it is put right.
    if (news) trim.run()
    return news
  }
  const keep = database.transaction(
    ({ issuer, consents, minEpoch, until }: RevocationCertificate, dead: readonly ShownToken[]): boolean => {
      const news = minEpoch === null ? keepTokens(issuer, consents ?? [], until) : keepEpoch(issuer, minEpoch)
      shown.revoke(dead)
      return news || dead.length > 0
    },
  )

  return {
    take(text) {
      const certificate = verifyCertificate(text)
      if (clock.now() >= certificate.until) return 'over'
      const { issuer, consents, minEpoch } = certificate
      // Of its issuer alone: ids are no secret, and anybody may sign that some id is revoked.
      const dead =
        minEpoch === null
          ? (consents ?? []).flatMap((token) => shown.standingOn(issuer, token))
          : shown.standingBelow(issuer, minEpoch)
      try {
        return keep(certificate, dead) ? 'new' : 'known'
      } finally {
        // Also when the disk does not take it: what runs under them ends.
        const tokens = dead.map(({ id, subject }) => ({ id, subject }))
        if (tokens.length > 0) for (const listener of listeners) listener({ tokens })
      }
    },
    check(consent) {
      const revoked = shown.isRevoked(consent) || linksOf(consent).some(isRevoked)
      try {
        shown.note(consent, revoked ? 'revoked' : 'good')
      } catch {
        // A full disk: whether it is good does not hang on that.
      }
      if (revoked) throw refuse('consent/revoked', `the consent ${consent.id} was revoked`)
    },
    onRevoked(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Epochs of strangers above their number before they are counted. */
const SLACK = 256
