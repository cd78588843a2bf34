import { systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import { type Database, openDatabase } from '@askee/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  attenuateConsent,
  CONSENT_MIGRATIONS,
  createRevocationBook,
  inspectToken,
  type RevokedToken,
} from '../src/index.ts'
import { signCertificate } from '../src/revocation/certificate.ts'
import { grantConsent, type SignedConsent } from '../src/token/grant.ts'
import {
  codeOf,
  expected,
  forged,
  freshId,
  granted,
  NOW,
  node,
  stranger,
  TERMS,
  volunteer,
} from './support.ts'

const HOUR = 3_600_000
const SMALL = { tokensOfStrangers: 50, epochsOfStrangers: 10, nodes: 4, tokensOfNode: 6 }

function setUp(clock = new VirtualTime(NOW), database = openDatabase(':memory:', CONSENT_MIGRATIONS)) {
  const open = () => createRevocationBook({ database, clock }, SMALL)
  const book = open()
  const dead: string[] = []
  book.onRevoked(({ tokens }) => dead.push(...tokens.map(({ id }) => id)))
  return { clock, database, book, dead, open }
}

const rows = (database: Database, table: string): number =>
  database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number

/** A token of some volunteer for a node of its own. */
function tokenOf(issuer: Identity, subject = createIdentity(systemRandom).id, now = NOW): SignedConsent {
  return grantConsent(issuer, {
    id: freshId(),
    now,
    subject,
    audience: expected.audience,
    terms: { ...TERMS, lifetime: 100 * HOUR },
    textDigest: 'ab'.repeat(32),
    manifest: 'cd'.repeat(32),
    epoch: 0,
    status: { list: 'askee://list', index: 7 },
  })
}

const ending = (issuer: Identity, consents: readonly string[]): string =>
  signCertificate(issuer, { id: freshId(), now: NOW, until: NOW + HOUR, consents })
const raising = (issuer: Identity, minEpoch = 1): string =>
  signCertificate(issuer, { id: freshId(), now: NOW, until: NOW + HOUR, minEpoch })

const strangers = Array.from({ length: 40 }, () => createIdentity(systemRandom))

describe('the book of revocations', () => {
  it('CON-5 ends no work because a stranger signs that its token is revoked', () => {
    const { book } = setUp()
    const dead: RevokedToken[] = []
    book.onRevoked(({ tokens }) => dead.push(...tokens))
    const own = granted()
    const { id, subject } = own.claims
    book.check(inspectToken(own.token))
    book.take(ending(stranger, [id]))
    expect(dead).toEqual([])
    // Nor when a stranger's node has shown a token of the same id: ids are their issuers' choice.
    const other = createIdentity(systemRandom).id
    book.check(inspectToken(forged({ jti: id, sub: other, cnf: { kid: other }, epoch: 1 }, strangers[0])))
    book.take(raising(strangers[0] as Identity, 5))
    expect(dead).toEqual([{ id, subject: other }])
    expect(codeOf(() => book.check(inspectToken(own.token)))).toBeUndefined()
    book.take(own.certificate)
    expect(dead.slice(1)).toEqual([{ id, subject }])
  })

  it('CON-5 tells of a token that was shown before a restart, and of what narrows it', () => {
    const { open, book } = setUp()
    const parent = granted()
    const child = attenuateConsent(node, parent.token, {
      id: freshId(),
      now: NOW,
      choices: {},
      status: parent.claims.status,
    })
    book.check(inspectToken(child.token))
    const again = open()
    const dead: string[] = []
    again.onRevoked(({ tokens }) => dead.push(...tokens.map(({ id }) => id)))
    expect(again.take(parent.certificate)).toBe('new')
    expect(dead).toEqual([child.claims.id])
    expect(again.take(parent.certificate)).toBe('known')
    expect(dead).toHaveLength(1)
  })

  it('CON-5 forgets no revocation of a token that was shown here, and no epoch, for all that strangers make up', () => {
    const { book, dead, database, open, clock } = setUp()
    const [revoked, below, good] = [granted(), tokenOf(createIdentity(systemRandom)), granted()]
    const issuer = createIdentity(systemRandom)
    const raised = tokenOf(issuer)
    for (const { token } of [revoked, below, good, raised]) book.check(inspectToken(token))
    book.take(revoked.certificate)
    book.take(raising(issuer))
    expect(dead).toEqual([revoked.claims.id, raised.claims.id])
    for (const each of strangers) {
      book.take(ending(each, Array.from({ length: 32 }, freshId)))
      book.take(raising(each))
    }
    for (let i = 0; i < 300; i++) book.take(raising(createIdentity(systemRandom)))
    expect(rows(database, 'revocations')).toBeLessThanOrEqual(SMALL.tokensOfStrangers)
    expect(rows(database, 'epochs')).toBeLessThanOrEqual(SMALL.epochsOfStrangers + 1 + 257)
    for (const known of [book, open(), createRevocationBook({ database, clock }, SMALL)]) {
      const verdicts = [revoked, raised, good, below].map(({ token }) =>
        codeOf(() => known.check(inspectToken(token))),
      )
      expect(verdicts).toEqual(['consent/revoked', 'consent/revoked', undefined, undefined])
      // A new token of an old epoch too.
      expect(codeOf(() => known.check(inspectToken(tokenOf(issuer).token)))).toBe('consent/revoked')
    }
  })

  it('CON-5 keeps what matters of each node, whatever others show, in whatever order', async () => {
    const node = fc.nat(7)
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ type: fc.constant('show' as const), node }) },
      fc.record({ type: fc.constant('revoke' as const), node }),
      fc.record({ type: fc.constant('flood' as const), node }),
      fc.record({ type: fc.constant('restart' as const), node }),
    )
    const parties = Array.from({ length: 8 }, (_, i) => strangers[i] as Identity)
    const [real, ...others] = parties as [Identity, ...Identity[]]
    const own = Array.from({ length: 3 }, () => tokenOf(real, real.id))
    const shows = parties.map((each) => Array.from({ length: 10 }, () => tokenOf(each, each.id)))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(2), (steps, which) => {
        const { database, open } = setUp()
        let book = open()
        for (const { token } of own) book.check(inspectToken(token))
        const victim = own[which] as SignedConsent
        book.take(victim.certificate)
        for (const [i, { type, node }] of steps.entries()) {
          const other = others[node % others.length] as Identity
          const shown = (shows[1 + (node % others.length)] as SignedConsent[])[i % 10] as SignedConsent
          if (type === 'show') codeOf(() => book.check(inspectToken(shown.token)))
          if (type === 'revoke') book.take(shown.certificate)
          if (type === 'flood') book.take(ending(other, Array.from({ length: 32 }, freshId)))
          if (type === 'restart') book = open()
        }
        for (const { token, claims } of own) {
          const code = claims.id === victim.claims.id ? 'consent/revoked' : undefined
          expect(codeOf(() => book.check(inspectToken(token)))).toBe(code)
        }
        // Of all that are good it still tells.
        const dead: string[] = []
        book.onRevoked(({ tokens }) => dead.push(...tokens.map(({ id }) => id)))
        for (const { certificate } of own) book.take(certificate)
        expect(dead.sort()).toEqual(
          own.map(({ claims }) => claims.id).filter((id) => id !== victim.claims.id),
        )
        expect(rows(database, 'revocations')).toBeLessThanOrEqual(SMALL.tokensOfStrangers)
        expect(rows(database, 'shown_tokens')).toBeLessThanOrEqual(SMALL.nodes * SMALL.tokensOfNode)
        database.close()
      }),
      { numRuns: 15 },
    )
  })

  it('CON-5 gives the place of a node that shows nothing for a day to another', async () => {
    const { book, dead, clock } = setUp()
    const all = Array.from({ length: 6 }, () => tokenOf(createIdentity(systemRandom)))
    for (const { token } of all) book.check(inspectToken(token))
    book.take((all[5] as SignedConsent).certificate)
    expect(dead).toEqual([])
    expect(codeOf(() => book.check(inspectToken((all[5] as SignedConsent).token)))).toBe('consent/revoked')
    await clock.advance(25 * HOUR)
    book.check(inspectToken((all[4] as SignedConsent).token))
    book.take((all[4] as SignedConsent).certificate)
    expect(dead).toEqual([all[4]?.claims.id])
  })

  it('CON-5 looks by an index, however much it has heard', () => {
    const { database } = setUp()
    const queries = [
      'SELECT 1 FROM revocations WHERE issuer = ? AND token = ?',
      'SELECT minimum FROM epochs WHERE issuer = ?',
      'SELECT number, last, revoked FROM shown_tokens WHERE issuer = ? AND token = ?',
      'SELECT DISTINCT t.number, t.token AS id, t.subject FROM shown_links l JOIN shown_tokens t USING (number) WHERE l.issuer = ? AND l.token = ?',
      'SELECT DISTINCT t.number, t.token AS id, t.subject FROM shown_links l JOIN shown_tokens t USING (number) WHERE l.issuer = ? AND l.epoch < ?',
    ]
    for (const query of queries) {
      const steps = database.prepare(`EXPLAIN QUERY PLAN ${query}`).all(...query.match(/\?/g)!.map(() => 'x'))
      const plan = steps.map((step) => (step as { detail: string }).detail)
      expect(plan.filter((detail) => detail.startsWith('SCAN'))).toEqual([])
    }
  })

  it('CON-5 tells those who work under a token that it ended although the disk takes nothing', () => {
    const { book, dead, database } = setUp()
    const own = granted()
    book.check(inspectToken(own.token))
    database.pragma('query_only = 1')
    expect(codeOf(() => book.take(own.certificate))).toContain('readonly database')
    expect(dead).toEqual([own.claims.id])
    // A token that is shown for the first time is judged all the same.
    expect(codeOf(() => book.check(inspectToken(granted().token)))).toBeUndefined()
    database.pragma('query_only = 0')
    expect(book.take(own.certificate)).toBe('new')
    expect(codeOf(() => book.check(inspectToken(own.token)))).toBe('consent/revoked')
    expect(dead).toHaveLength(2)
  })

  it('CON-5 reads a book of an earlier version', () => {
    const database = openDatabase(':memory:', CONSENT_MIGRATIONS.slice(0, 3))
    const [own, other] = [granted(), granted()]
    database
      .prepare('INSERT INTO revocations (issuer, token, until, certificate) VALUES (?, ?, ?, ?)')
      .run(volunteer.id, own.claims.id, NOW + HOUR, own.certificate)
    database.prepare('INSERT INTO epochs VALUES (?, 3, ?)').run(stranger.id, 'x')
    for (const { version, sql } of CONSENT_MIGRATIONS.slice(3)) {
      database.exec(sql)
      database.pragma(`user_version = ${version}`)
    }
    const book = createRevocationBook({ database, clock: new VirtualTime(NOW) })
    const verdict = (token: string) => codeOf(() => book.check(inspectToken(token)))
    expect([verdict(own.token), verdict(other.token)]).toEqual(['consent/revoked', undefined])
    expect(verdict(forged({ epoch: 2 }, stranger))).toBe('consent/revoked')
  })
})
