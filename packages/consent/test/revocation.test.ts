import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { VirtualTime } from '@askee/core/testing'
import { openDatabase } from '@askee/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  attenuateConsent,
  CONSENT_MIGRATIONS,
  createRevocationBook,
  createTokenVerifier,
  inspectToken,
  type RevocationBook,
} from '../src/index.ts'
import { signCertificate, verifyCertificate } from '../src/revocation/certificate.ts'
import { checkStatus } from '../src/revocation/freshness.ts'
import { signStatusList, verifyStatusList } from '../src/revocation/status-list.ts'
import { consentTopics, REVOCATION_TOPIC } from '../src/revocation/topic.ts'
import { signJws } from '../src/token/jws.ts'
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

function book(
  clock = new VirtualTime(NOW),
  database = openDatabase(':memory:', CONSENT_MIGRATIONS),
): RevocationBook {
  return createRevocationBook({ database, clock })
}

async function refusal(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: { code?: string }) => error.code ?? String(error),
  )
}

describe('revocation certificate', () => {
  it('CON-5 ends tokens of its issuer alone, and is taken once', () => {
    const own = granted()
    const other = granted()
    const known = book()
    const heard: string[][] = []
    known.onRevoked(({ tokens }) => heard.push(tokens.map((token) => token.id)))
    known.check(inspectToken(own.token))
    expect(known.take(own.certificate)).toBe('new')
    expect(known.take(own.certificate)).toBe('known')
    expect(heard).toEqual([[own.claims.id]])
    expect(codeOf(() => known.check(inspectToken(own.token)))).toBe('consent/revoked')
    expect(codeOf(() => known.check(inspectToken(other.token)))).toBeUndefined()
    const foreign = { id: freshId(), now: NOW, until: NOW + HOUR, consents: [other.claims.id] }
    known.take(signCertificate(stranger, foreign))
    expect(codeOf(() => known.check(inspectToken(other.token)))).toBeUndefined()
    expect(own.claims.revocation).toMatch(/^[0-9a-f]{64}$/)
  })

  it('CON-5 ends children with their parent, and everything below an epoch', () => {
    const parent = granted()
    const draft = { id: freshId(), now: NOW, choices: {}, status: parent.claims.status }
    const child = attenuateConsent(node, parent.token, draft)
    const known = book()
    const dead: string[] = []
    known.onRevoked(({ tokens }) => dead.push(...tokens.map((token) => token.id)))
    known.check(inspectToken(child.token))
    known.take(parent.certificate)
    expect(dead).toContain(child.claims.id)
    expect(codeOf(() => known.check(inspectToken(child.token)))).toBe('consent/revoked')
    const other = granted()
    known.check(inspectToken(other.token))
    known.take(signCertificate(volunteer, { id: freshId(), now: NOW, until: NOW + HOUR, minEpoch: 1 }))
    expect(dead).toContain(other.claims.id)
    expect(codeOf(() => known.check(inspectToken(other.token)))).toBe('consent/revoked')
    // An older epoch that comes later takes nothing back.
    expect(
      known.take(signCertificate(volunteer, { id: freshId(), now: NOW, until: NOW + HOUR, minEpoch: 1 })),
    ).toBe('known')
  })

  it('CON-5 is remembered through a restart, and not taken when it is over', async () => {
    const clock = new VirtualTime(NOW)
    const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
    const own = granted()
    book(clock, database).take(own.certificate)
    expect(codeOf(() => book(clock, database).check(inspectToken(own.token)))).toBe('consent/revoked')
    await clock.advance(TERMS.lifetime)
    expect(book(clock).take(own.certificate)).toBe('over')
  })

  it('CON-5 refuses what is no certificate', () => {
    const { token, certificate } = granted()
    const base = { ver: 1, jti: freshId(), iss: volunteer.id, iat: 1, exp: 2e9 }
    const sign = (change: object): string =>
      signJws(volunteer, 'consent-revocation+jwt', { ...base, ...change })
    const table: readonly [string, string, string][] = [
      ['a token', token, 'consent/type'],
      ['nothing revoked', sign({}), 'consent/malformed'],
      ['tokens and an epoch', sign({ revokes: [freshId()], min_epoch: 1 }), 'consent/malformed'],
      ['too many tokens', sign({ revokes: Array.from({ length: 33 }, freshId) }), 'consent/malformed'],
      ['epoch nought', sign({ min_epoch: 0 }), 'consent/malformed'],
      ['a later version', sign({ ver: 2, min_epoch: 1 }), 'consent/version'],
      ['cut', certificate.slice(0, -4), 'consent/signature'],
      ['huge', `${certificate}${'A'.repeat(5000)}`, 'consent/malformed'],
    ]
    for (const [what, text, code] of table)
      expect([what, codeOf(() => verifyCertificate(text))]).toEqual([what, code])
  })

  it('NET-3 the topic rejects what is no certificate and drops what is over or from the future', async () => {
    const clock = new VirtualTime(NOW)
    const rules = consentTopics(clock).get(REVOCATION_TOPIC)
    const verdict = async (text: string | Uint8Array): Promise<string> => {
      try {
        return await (rules?.validate({ from: node.id, body: Buffer.from(text) }) ?? 'none')
      } catch {
        return 'reject'
      }
    }
    expect(rules?.authorRatePerSecond).toBeGreaterThan(0)
    expect(await verdict(granted().certificate)).toBe('accept')
    expect(await verdict(granted().token)).toBe('reject')
    expect(await verdict(randomBytes(300))).toBe('reject')
    expect(await verdict(granted({}, NOW - TERMS.lifetime).certificate)).toBe('ignore')
    expect(await verdict(granted({}, NOW + HOUR).certificate)).toBe('ignore')
  })
})

describe('status list', () => {
  const uri = 'askee://list'
  const list = (statuses: [number, 'invalid' | 'suspended'][], now = NOW): string =>
    signStatusList(volunteer, { uri, now, lifetime: 24 * HOUR, entries: 4096, statuses: new Map(statuses) })

  it('CON-5 says of each place what it was told, and fits into a record', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 4095 }), { maxLength: 300 }), (places) => {
        const marks = places.map((place, i): [number, 'invalid' | 'suspended'] => [
          place,
          i % 3 === 0 ? 'suspended' : 'invalid',
        ])
        const text = list(marks)
        expect(text.length).toBeLessThan(6144)
        const read = verifyStatusList(text, { uri, issuer: volunteer.id }, NOW)
        const told = new Map(marks)
        for (let i = 0; i < 4096; i++) expect(read.at(i)).toBe(told.get(i) ?? 'valid')
      }),
      { numRuns: 20 },
    )
  })

  it('CON-5 reads a list that zlib of another made, as the draft has it: bits from the lowest on', () => {
    // draft-ietf-oauth-status-list, section 4: statuses 1,0,0,1,1,1,0,1,1,1,0,0,0,1,0,1 with one bit each are B9 A3.
    const lst = deflateSync(Uint8Array.of(0xb9, 0xa3)).toString('base64url')
    const payload = {
      iss: volunteer.id,
      sub: uri,
      iat: NOW / 1000,
      exp: NOW / 1000 + 60,
      ttl: 30,
      status_list: { bits: 1, lst },
    }
    const read = verifyStatusList(
      signJws(volunteer, 'statuslist+jwt', payload),
      { uri, issuer: volunteer.id },
      NOW,
    )
    const statuses = Array.from({ length: 16 }, (_, i) => (read.at(i) === 'invalid' ? 1 : 0))
    expect(statuses).toEqual([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1])
  })

  it('CON-5 refuses bombs, lists of others, old lists and places beyond the end', () => {
    const bomb = deflateSync(new Uint8Array(2 * 1024 * 1024)).toString('base64url')
    const payload = {
      iss: volunteer.id,
      sub: uri,
      iat: 1,
      exp: 2e9,
      ttl: 30,
      status_list: { bits: 1, lst: bomb },
    }
    const parties = { uri, issuer: volunteer.id }
    const read = (text: string, want = parties, now = NOW) =>
      codeOf(() => verifyStatusList(text, want, now).at(4096))
    expect(read(signJws(volunteer, 'statuslist+jwt', payload))).toBe('consent/malformed')
    expect(read(list([]), { ...parties, issuer: stranger.id })).toBe('consent/issuer')
    expect(read(list([]), { ...parties, uri: 'askee://other' })).toBe('consent/subject')
    expect(read(list([]), parties, NOW + 25 * HOUR)).toBe('consent/expired')
    expect(read(granted().token)).toBe('consent/type')
    expect(read(list([]))).toBe('consent/malformed')
  })
})

describe('the verifier', () => {
  const uri = granted().claims.status.list
  const long = { lifetime: 100 * HOUR }

  function setUp(fetched: () => string | undefined, data: readonly ('task' | 'personal')[] = ['task']) {
    const clock = new VirtualTime(NOW)
    const { token, certificate, claims } = granted({ ...long, data })
    const revocations = book(clock)
    let asked = 0
    const statuses = {
      fetch: async () => {
        asked++
        return fetched()
      },
    }
    const verify = createTokenVerifier({ clock, revocations, statuses })
    return {
      clock,
      token,
      certificate,
      claims,
      revocations,
      verify: () => refusal(verify(token, expected)),
      asked: () => asked,
    }
  }
  const listAt = (now: number, statuses: [number, 'invalid' | 'suspended'][] = []): string =>
    signStatusList(volunteer, { uri, now, lifetime: 200 * HOUR, entries: 4096, statuses: new Map(statuses) })

  it('CON-4 refuses a token that it heard was revoked', async () => {
    const { verify, revocations, certificate } = setUp(() => undefined)
    expect(await verify()).toBeUndefined()
    revocations.take(certificate)
    expect(await verify()).toBe('consent/revoked')
  })

  it('CON-5 lets plain work go on for a day without news, and no longer', async () => {
    const { verify, clock } = setUp(() => undefined)
    await clock.advance(23 * HOUR)
    expect(await verify()).toBeUndefined()
    await clock.advance(2 * HOUR)
    expect(await verify()).toBe('consent/stale')
  })

  it('CON-5 fails closed with personal data after minutes without news', async () => {
    let list: string | undefined
    const { verify, clock } = setUp(() => list, ['task', 'personal'])
    await clock.advance(4 * 60_000)
    expect(await verify()).toBeUndefined()
    await clock.advance(2 * 60_000)
    expect(await verify()).toBe('consent/stale')
    list = listAt(clock.now())
    await clock.advance(11_000)
    expect(await verify()).toBeUndefined()
  })

  it('CON-5 learns from the status list what no gossip told, and asks for it no more often than it must', async () => {
    let list = listAt(NOW)
    const { verify, clock, asked } = setUp(() => list)
    expect(await verify()).toBeUndefined()
    expect(asked()).toBe(0)
    await clock.advance(13 * HOUR)
    list = listAt(clock.now())
    expect(await verify()).toBeUndefined()
    expect(await verify()).toBeUndefined()
    expect(asked()).toBe(1)
    await clock.advance(13 * HOUR)
    list = listAt(clock.now(), [[7, 'invalid']])
    expect(await verify()).toBe('consent/revoked')
    // An older list, shown again, takes nothing back.
    list = listAt(NOW + HOUR)
    await clock.advance(13 * HOUR)
    expect(await verify()).toBe('consent/revoked')
    await clock.advance(11_000)
    list = listAt(clock.now(), [[7, 'suspended']])
    expect(await verify()).toBe('consent/suspended')
  })

  it('CON-5 opens nothing for personal data on stale, foreign, damaged or missing evidence, and nothing after its end', async () => {
    const sources: readonly [what: string, list: (now: number) => string | undefined][] = [
      ['none', () => undefined],
      ['one of its beginning', () => listAt(NOW)],
      ['one that is too old', (now) => listAt(now - 6 * 60_000)],
      ['one of another issuer', (now) => signed(now, { issuer: stranger })],
      ['one of another place', (now) => signed(now, { uri: 'askee://elsewhere' })],
      ['one that is over', (now) => signed(now, { lifetime: 1000, ago: 60_000 })],
      ['no list', () => 'a.b.c'],
      [
        'an error',
        () => {
          throw new Error('unreachable')
        },
      ],
    ]
    const signed = (
      now: number,
      { issuer = volunteer, uri: at = uri, lifetime = 200 * HOUR, ago = 0 } = {},
    ): string =>
      signStatusList(issuer, { uri: at, now: now - ago, lifetime, entries: 4096, statuses: new Map() })
    for (const [what, list] of sources) {
      const { verify, clock } = setUp(() => list(clock.now()), ['personal'])
      await clock.advance(6 * 60_000)
      expect([what, await verify()]).toEqual([what, 'consent/stale'])
      await clock.advance(100 * HOUR)
      expect([what, await verify()]).toEqual([what, 'consent/expired'])
    }
    const { verify, clock } = setUp(() => signed(clock.now()), ['personal'])
    await clock.advance(6 * 60_000)
    expect(await verify()).toBeUndefined()
  })

  it('CON-5 judges freshness by risk: the age of the newest evidence, and nothing else, closes the door', () => {
    const MINUTE = 60_000
    const ages = fc.record({
      issued: fc.integer({ min: 0, max: 3000 }),
      listed: fc.option(fc.integer({ min: 0, max: 3000 })),
      data: fc.subarray(['task', 'machine', 'personal'] as const),
    })
    const { claims } = granted()
    fc.assert(
      fc.property(ages, ({ issued, listed, data }) => {
        const now = NOW + 10_000 * MINUTE
        const list =
          listed === null
            ? undefined
            : verifyStatusList(listAt(now - listed * MINUTE), { uri, issuer: volunteer.id }, now)
        const token = { ...claims, data, issuedAt: now - issued * MINUTE }
        const age = Math.min(issued, listed ?? issued)
        const allowed = data.includes('personal') ? 5 : 24 * 60
        expect(codeOf(() => checkStatus(token, list, now))).toBe(age > allowed ? 'consent/stale' : undefined)
      }),
      { numRuns: 100 },
    )
  })

  it('CON-5 holds the largest epoch that an issuer ever said, in whatever order it was heard, restarts between', () => {
    const told = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
    })
    const tokens = Array.from({ length: 7 }, (_, epoch) => inspectToken(forged({ epoch })))
    const strangers = inspectToken(forged({ epoch: 0 }, stranger))
    const certificates = Array.from({ length: 6 }, (_, minEpoch) =>
      signCertificate(volunteer, {
        id: freshId(),
        now: NOW,
        until: NOW + HOUR,
        minEpoch: Math.max(1, minEpoch),
      }),
    )
    fc.assert(
      fc.property(told, (epochs) => {
        const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
        let known = book(undefined, database)
        let highest = 0
        for (const [epoch, restarts] of epochs) {
          expect(known.take(certificates[epoch] as string)).toBe(epoch > highest ? 'new' : 'known')
          highest = Math.max(highest, epoch)
          if (restarts) known = book(undefined, database)
          for (const token of tokens) {
            expect(codeOf(() => known.check(token))).toBe(
              token.epoch < highest ? 'consent/revoked' : undefined,
            )
          }
        }
        expect(codeOf(() => known.check(strangers))).toBeUndefined()
        database.close()
      }),
      { numRuns: 40 },
    )
  })
})
