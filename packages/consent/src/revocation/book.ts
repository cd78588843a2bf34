import type { Clock, NodeId, Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import { refuse } from '../errors.ts'
import type { RevocationNews } from '../gate.ts'
import type { ConsentClaims } from '../token/claims.ts'
import type { VerifiedConsent } from '../token/verify.ts'
import { type RevocationCertificate, verifyCertificate } from './certificate.ts'

/** Revocations of strangers kept, beside those that concern tokens seen here: about 200 bytes each. */
const KEPT_OF_STRANGERS = 50_000
/** Tokens remembered as seen here; older ones are verified again when they are shown again. */
const KEPT_SEEN = 20_000

/** Revocations that this node heard of; they survive restarts. */
export interface RevocationBook extends RevocationNews {
  /**
   * Takes a certificate, whoever brought it.
   * @returns `known` when it says nothing new, `over` when all it ends has ended by itself
   * @throws AskeeError with a ConsentErrorCode when it is no certificate
   */
  take(text: string): 'new' | 'known' | 'over'
  /** The certificate that ends this token, or undefined. */
  certificateFor(issuer: NodeId, token: string): string | undefined
  /** Throws `consent/revoked` when the token or one that it narrows was revoked; remembers it as seen here. */
  check(consent: VerifiedConsent): void
}

interface Seen {
  readonly links: readonly Pick<ConsentClaims, 'issuer' | 'id' | 'epoch'>[]
}

/** @param components.database with `CONSENT_MIGRATIONS` */
export function createRevocationBook({
  database,
  clock,
}: {
  readonly database: Database
  readonly clock: Clock
}): RevocationBook {
  const listeners = new Set<(revoked: { readonly tokens: readonly string[] }) => void>()
  const seen = new Map<string, Seen>()
  const epochs = new Map<string, number>()
  const find = database.prepare('SELECT certificate FROM revocations WHERE issuer = ? AND token = ?').pluck()
  const insert = database.prepare(
    'INSERT OR IGNORE INTO revocations (issuer, token, until, certificate) VALUES (?, ?, ?, ?)',
  )
  const upsertEpoch = database.prepare(
    `INSERT INTO epochs (issuer, minimum, certificate) VALUES (?, ?, ?)
     ON CONFLICT (issuer) DO UPDATE SET minimum = excluded.minimum, certificate = excluded.certificate`,
  )
  const trim = database.prepare(
    `DELETE FROM revocations WHERE until <= ? OR sequence <= (SELECT max(sequence) FROM revocations) - ${KEPT_OF_STRANGERS}`,
  )
  for (const row of database.prepare('SELECT issuer, minimum FROM epochs').all()) {
    const { issuer, minimum } = row as { issuer: string; minimum: number }
    epochs.set(issuer, minimum)
  }

  const isRevoked = ({ issuer, id, epoch }: Seen['links'][number]): boolean =>
    epoch < (epochs.get(issuer) ?? 0) || find.get(issuer, id) !== undefined

  const keep = database.transaction((certificate: RevocationCertificate, text: string): boolean => {
    const { issuer, consents, minEpoch, until } = certificate
    if (minEpoch !== null) {
      if (minEpoch <= (epochs.get(issuer) ?? 0)) return false
      upsertEpoch.run(issuer, minEpoch, text)
      epochs.set(issuer, minEpoch)
      return true
    }
    let news = false
    for (const token of consents ?? []) {
      if (insert.run(issuer, token, until, text).changes > 0) news = true
    }
    if (news) trim.run(clock.now())
    return news
  })

  return {
    take(text) {
      const certificate = verifyCertificate(text)
      if (isOver(certificate, clock.now())) return 'over'
      if (!keep(certificate, text)) return 'known'
      const dead = new Set(certificate.consents ?? [])
      for (const [token, { links }] of seen) if (links.some(isRevoked)) dead.add(token)
      for (const listener of listeners) listener({ tokens: [...dead] })
      return 'new'
    },
    certificateFor: (issuer, token) => find.get(issuer, token) as string | undefined,
    check(consent) {
      const links = [consent, ...consent.ancestors].map(({ issuer, id, epoch }) => ({ issuer, id, epoch }))
      seen.delete(consent.id)
      seen.set(consent.id, { links })
      if (seen.size > KEPT_SEEN) seen.delete(seen.keys().next().value as string)
      if (links.some(isRevoked)) throw refuse('consent/revoked', `the consent ${consent.id} was revoked`)
    },
    onRevoked(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function isOver({ until }: RevocationCertificate, now: Timestamp): boolean {
  return now >= until
}
