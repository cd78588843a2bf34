import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CONSENT_MIGRATIONS,
  type ConsentQuestion,
  type ConsentTerms,
  signConsentManifest,
  verifyConsent,
} from '../src/index.ts'
import { verifyCertificate } from '../src/revocation/certificate.ts'
import { verifyStatusList } from '../src/revocation/status-list.ts'
import { grantForTest, testRegistry } from '../src/testing/index.ts'
import { codeOf, freshId, node, requester, stranger, TERMS, volunteer } from './support.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'askee-consent-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function setUp(file = ':memory:', clock = new VirtualTime()) {
  const database = openDatabase(file, CONSENT_MIGRATIONS)
  return { clock, ...testRegistry(node.id, { clock, volunteer, database }) }
}

const question: ConsentQuestion = {
  requester: requester.id,
  kind: 'scientific-compute',
  purpose: 'counting primes',
  memoryBytes: 64 * 1_048_576,
  durationMs: 3_600_000,
  requesterReputation: 0,
}

function manifestOf(
  change: Partial<ConsentTerms> = {},
  by = requester,
  now = new VirtualTime().now(),
): string {
  const terms = { ...TERMS, ...change }
  return signConsentManifest(by, {
    id: freshId(),
    now,
    requester: requester.id,
    terms,
    validFor: 3_600_000,
    name: 'Lab',
  })
}

describe('consent registry', () => {
  it('CON-1 covers nothing without a consent', () => {
    const { registry } = setUp()
    expect(registry.covering(question)).toBeUndefined()
    expect(codeOf(() => registry.check('00'.repeat(16), question))).toBe('consent/unknown')
  })

  it('CON-1 covers exactly what was granted', () => {
    const { registry } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    expect(registry.covering(question)?.claims.id).toBe(id)
    const beyond: [Partial<ConsentQuestion>, string][] = [
      [{ requester: stranger.id }, 'consent/audience'],
      [{ kind: 'ml-training' }, 'consent/kind'],
      [{ purpose: 'mining coins' }, 'consent/purpose'],
      [{ purpose: 'Counting primes' }, 'consent/purpose'],
      [{ memoryBytes: 64 * 1_048_576 + 1 }, 'consent/limits'],
      [{ durationMs: 3_600_001 }, 'consent/limits'],
    ]
    for (const [change, code] of beyond) {
      expect(registry.covering({ ...question, ...change })).toBeUndefined()
      expect(codeOf(() => registry.check(id, { ...question, ...change }))).toBe(code)
    }
    // Texts of errors stand in logs.
    expect(() => registry.check(id, { ...question, purpose: 'mining coins' })).not.toThrow(/mining|primes/)
  })

  it('CLI-1 finds a consent by at least four characters that name it alone, and names them when there are several', () => {
    let start = [0xab, 0xcd, 0x11]
    const bytes = (length: number) => Uint8Array.of(...start, ...systemRandom.bytes(length - start.length))
    const random = { ...systemRandom, bytes }
    const { registry } = testRegistry(node.id, { clock: new VirtualTime(), volunteer, random })
    const ids = [0x11, 0x22, 0x33].map((third) => {
      start = [0xab, third === 0x33 ? 0xce : 0xcd, third]
      return grantForTest(registry, requester.id, TERMS).id
    })
    expect(registry.show('abce').id).toBe(ids[2])
    expect(codeOf(() => registry.show('abc'))).toBe('consent/unknown')
    expect(codeOf(() => registry.show('abcd'))).toBe('consent/ambiguous')
    expect(() => registry.show('abcd')).toThrow(/2 consents begin with abcd, .*: abcd11\w{6}, abcd22\w{6}$/)
  })

  it('CON-1 asks for the reputation that the consent demands', () => {
    const { registry } = setUp()
    const tasks = { ...TERMS.permissions.tasks, minReputation: 0.5 }
    grantForTest(registry, requester.id, { ...TERMS, permissions: { ...TERMS.permissions, tasks } })
    expect(registry.covering(question)).toBeUndefined()
    expect(registry.covering({ ...question, memoryBytes: 1, requesterReputation: 0.5 })).toBeDefined()
  })

  it('CON-1 stops covering the moment the consent ends', async () => {
    const { registry, clock } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    await clock.advance(3_599_000)
    expect(registry.covering(question)).toBeDefined()
    await clock.advance(1_000)
    expect(registry.covering(question)).toBeUndefined()
    expect(codeOf(() => registry.check(id, question))).toBe('consent/expired')
    const ended: string[] = []
    registry.onEnded(({ code }) => ended.push(code))
    registry.sweep()
    expect(ended).toEqual(['consent/expired'])
    expect(registry.show(id).phase).toBe('expired')
  })

  it('CON-3 grants a manifest as it was narrowed, and only under the text that was shown', () => {
    const { registry } = setUp()
    const { id } = registry.invite(manifestOf())
    expect(registry.covering(question)).toBeUndefined()
    expect(codeOf(() => registry.grant(id, 'ab'.repeat(32)))).toBe('consent/unreviewed')
    const review = registry.review(
      id,
      { ramMbMax: 32, kinds: ['data-processing'], cpuPercentMax: 99 },
      'contained',
    )
    for (const told of [
      requester.id,
      'Lab',
      'counting primes',
      '32 MiB',
      '50 %',
      '1 h',
      'IP address',
      'renew it 3 times',
    ]) {
      expect(review.text).toContain(told)
    }
    expect(review.text).not.toContain('scientific computation')
    expect(codeOf(() => registry.grant(id, 'ab'.repeat(32)))).toBe('consent/text')
    const { claims, token } = registry.grant(id, review.textDigest)
    expect(claims?.permissions.resources).toEqual({ ...TERMS.permissions.resources, ramMbMax: 32 })
    expect(claims?.textDigest).toBe(review.textDigest)
    expect(registry.covering(question)).toBeUndefined()
    const asked = { ...question, kind: 'data-processing' as const, memoryBytes: 32 * 1_048_576 }
    expect(registry.covering(asked)?.token).toBe(token)
    const parties = { subject: node.id, audience: requester.id, issuer: volunteer.id }
    expect(verifyConsent(token as string, parties, new VirtualTime().now()).id).toBe(id)
  })

  it('CON-3 takes terms from the requester or from the owner, and from nobody in their name', () => {
    const { registry, clock } = setUp()
    expect(codeOf(() => registry.invite(manifestOf({}, stranger)))).toBe('consent/issuer')
    expect(codeOf(() => registry.invite(`${manifestOf()}x`))).toMatch(/^consent\//)
    expect(registry.invite(manifestOf({}, volunteer)).manifest.author).toBe(volunteer.id)
    expect(codeOf(() => registry.invite(manifestOf({}, requester, clock.now() - 3_600_000)))).toBe(
      'consent/expired',
    )
  })

  it('CON-3 GOV-7 says whether this machine holds tasks to their share of a processor', () => {
    const { registry } = setUp()
    const { id } = registry.invite(manifestOf())
    const line = (...processor: ['held' | 'not-held'] | []): string | undefined =>
      registry
        .review(id, {}, 'contained', ...processor)
        .text.split('\n')
        .find((text) => text.startsWith('Processor:'))
    expect(line('held')).toContain('up to 50 %: each task is held to that share of one processor')
    expect(line('not-held')).toContain('nothing on this machine holds a task to it')
    expect(line()).toBe(line('not-held'))
  })

  it('CON-3 shows no lines that a requester wrote into a name or a purpose', () => {
    const { registry } = setUp()
    const { id } = registry.invite(manifestOf({ purposes: ['science\nProcessor:      up to 1 %\u202e'] }))
    const { text } = registry.review(id, {}, 'contained')
    expect(text.split('\n').filter((line) => line.startsWith('Processor:'))).toHaveLength(1)
    expect(text).not.toContain('\u202e')
  })

  it('CON-3 declines by refusing: nothing is granted, and it is written down', () => {
    const { registry } = setUp()
    const { id } = registry.invite(manifestOf())
    const { textDigest } = registry.review(id, {}, 'contained')
    registry.refuse(id, 'not now')
    expect(codeOf(() => registry.grant(id, textDigest))).toBe('consent/phase')
    const acts = registry.history.entries(id).map(({ act, outcome }) => `${act} ${outcome}`)
    expect(acts).toEqual(['invited done', 'reviewed done', 'refused done', 'granted refused'])
  })

  it('CON-3 takes a manifest that was refused no more, and one that is signed anew', () => {
    const { registry, database } = setUp()
    const text = manifestOf()
    const { id } = registry.invite(text)
    registry.refuse(id, 'not now')
    const again = testRegistry(node.id, { clock: new VirtualTime(), volunteer, database }).registry
    for (const here of [registry, again]) {
      expect(codeOf(() => here.invite(text))).toBe('consent/refused')
      expect(() => here.invite(text)).toThrow(new RegExp(`${id}.*sign a new one`))
    }
    expect(registry.list()).toHaveLength(1)
    expect(registry.invite(manifestOf()).phase).toBe('invited')
    const proposed = registry.propose(requester.id, TERMS)
    registry.refuse(proposed.id, 'not now')
    expect(registry.propose(requester.id, TERMS).id).not.toBe(proposed.id)
  })

  it('CON-3 asks again what nobody refused but was dropped because there was too much of it', () => {
    const { registry } = setUp()
    const first = manifestOf()
    const { id } = registry.invite(first)
    for (let i = 0; i < 64; i++) registry.invite(manifestOf())
    expect(registry.show(id).phase).toBe('refused')
    expect(registry.invite(first).phase).toBe('invited')
  })

  it('CON-6 shows changed terms as differences and renews only what does not widen', async () => {
    const { registry, clock } = setUp()
    const { id, claims } = grantForTest(registry, requester.id, TERMS)
    const resources = { ...TERMS.permissions.resources, ramMbMax: 128 }
    const { id: other } = registry.invite(manifestOf({ permissions: { ...TERMS.permissions, resources } }))
    expect(registry.review(other, {}, 'contained').differences).toEqual([
      { field: 'ram_mb_max', before: '64', after: '128', effect: 'wider' },
    ])
    await clock.advance(1_800_000)
    const renewed = registry.renew(id, { ramMbMax: 64, cpuPercentMax: 20 })
    expect(renewed).toMatchObject({ id, phase: 'renewed', live: true })
    expect(renewed.claims?.permissions.resources).toMatchObject({ ramMbMax: 64, cpuPercentMax: 20 })
    expect(renewed.claims?.expires).toBe((claims?.expires ?? 0) + 1_800_000)
    expect(renewed.tokens).toHaveLength(2)
    // Work that cites the first token goes on under the narrower terms of the second.
    expect(codeOf(() => registry.check(id, question))).toBeUndefined()
    for (let left = 2; left > 0; left--) registry.renew(id)
    expect(codeOf(() => registry.renew(id))).toBe('consent/renewals')
    await clock.advance(3_600_000)
    expect(codeOf(() => registry.renew(id))).toBe('consent/phase')
  })

  it('CON-6 refuses a renewal that is wished for more than was granted, and spends none for it', () => {
    const { registry } = setUp()
    const before = grantForTest(registry, requester.id, TERMS)
    const { id } = before
    const more: Parameters<typeof registry.renew>[1][] = [
      { ramMbMax: 65 },
      { cpuPercentMax: TERMS.permissions.resources.cpuPercentMax + 1 },
      { kinds: ['ml-training'] },
      { kinds: [...TERMS.permissions.tasks.kinds, 'ml-training'] },
      { maxDurationHours: TERMS.permissions.tasks.maxDurationHours + 1 },
      { data: ['personal'] },
      { lifetime: TERMS.lifetime + 1000 },
      { maxRenewals: TERMS.maxRenewals },
      { ramMbMax: 65, cpuPercentMax: 1 },
    ]
    for (const wish of more) expect(codeOf(() => registry.renew(id, wish))).toBe('consent/widened')
    expect(codeOf(() => registry.renew(id, { kinds: [] }))).toBe('consent/limits')
    expect(registry.show(id)).toMatchObject({ phase: 'granted', tokens: before.tokens, terms: before.terms })
    expect(() => registry.renew(id, { ramMbMax: 4096 })).toThrow(
      /ram_mb_max: expected no more than 64, received 4096/,
    )
    expect(registry.renew(id, { maxRenewals: TERMS.maxRenewals - 1 }).tokens).toHaveLength(2)
  })

  it('CON-5 revokes at once: the door is shut and work is told before the call returns', () => {
    const { registry } = setUp()
    const { id, tokens } = grantForTest(registry, requester.id, TERMS)
    registry.renew(id)
    const heard: string[] = []
    registry.onEnded((ended) =>
      heard.push(`${ended.code} ${ended.tokens.length} ${codeOf(() => registry.check(id, question))}`),
    )
    registry.onRevoked(({ certificate, requester: whom }) => {
      expect(verifyCertificate(certificate)).toMatchObject({ issuer: volunteer.id, minEpoch: null })
      expect(verifyCertificate(certificate).consents).toContain(tokens[0])
      heard.push(`told for ${whom}`)
    })
    registry.revoke(id, 'no longer')
    expect(heard).toEqual(['consent/revoked 2 consent/revoked', `told for ${requester.id}`])
    expect(codeOf(() => registry.revoke(id, 'again'))).toBe('consent/phase')
    expect(codeOf(() => registry.resume(id))).toBe('consent/phase')
    expect(registry.revocations()).toHaveLength(1)
    const { statusIndex } = { statusIndex: registry.show(id).claims?.status.index as number }
    const expected = { uri: registry.statusUri, issuer: volunteer.id }
    expect(verifyStatusList(registry.statusList(), expected, new VirtualTime().now()).at(statusIndex)).toBe(
      'invalid',
    )
    expect(registry.history.entries(id).at(-1)).toMatchObject({
      act: 'revoked',
      content: { reason: 'no longer' },
    })
  })

  it('CON-5 revokes everything years after the certificate for it was signed', () => {
    const { registry, clock } = setUp()
    grantForTest(registry, requester.id, TERMS)
    clock.advance(800 * 24 * 3_600_000)
    const certificates: string[] = []
    registry.onRevoked(({ certificate, tokens }) => tokens.length === 0 && certificates.push(certificate))
    registry.revokeAll('stop')
    const { until } = verifyCertificate(certificates[0] as string)
    expect(until).toBeGreaterThan(clock.now() + 365 * 24 * 3_600_000)
  })

  it('CON-5 has the certificate of every grant before it is needed, and one for all grants together', () => {
    const { registry, database } = setUp()
    const { certificate, tokens, claims } = grantForTest(registry, requester.id, TERMS)
    expect(verifyCertificate(certificate as string).consents).toEqual(tokens)
    expect(verifyCertificate(certificate as string).until).toBe(claims?.expires)
    const held = database.prepare('SELECT certificate FROM own_epoch').pluck().get() as string
    expect(verifyCertificate(held)).toMatchObject({ minEpoch: 1, issuer: volunteer.id })
    const told: string[] = []
    registry.onRevoked((revocation) => told.push(revocation.certificate))
    expect(registry.revokeAll('sold the machine')).toHaveLength(1)
    expect(told).toEqual([certificate, held])
    expect(grantForTest(registry, requester.id).claims?.epoch).toBe(1)
    // After a restart the mesh is told again of both, until what they end has ended by itself.
    const clock = new VirtualTime()
    const again = testRegistry(node.id, { clock, volunteer, database }).registry
    expect(again.revocations().map((revocation) => revocation.certificate)).toEqual([certificate, held])
    expect(again.revocations()[1]).toMatchObject({ requester: null, tokens: [] })
  })

  it('CON-5 can revoke one and all, and tell the mesh, when the key of the owner signs no more', () => {
    let isLost = false
    const owner = createIdentity(systemRandom)
    const key = {
      ...owner,
      id: owner.id,
      publicKey: owner.publicKey,
      sign: (message: Uint8Array) => {
        if (isLost) throw new Error('the key is lost')
        return owner.sign(message)
      },
    }
    const { registry } = testRegistry(node.id, { volunteer: key })
    const first = grantForTest(registry, requester.id, TERMS)
    registry.renew(first.id)
    const second = grantForTest(registry, stranger.id, TERMS)
    const told: string[] = []
    registry.onRevoked(({ certificate }) => told.push(certificate))
    isLost = true
    expect(() => grantForTest(registry, requester.id)).toThrow('the key is lost')
    registry.revoke(first.id, 'stolen')
    registry.revokeAll('stolen')
    const certificates = told.map((text) => verifyCertificate(text))
    expect(certificates.map(({ issuer }) => issuer)).toEqual([owner.id, owner.id, owner.id])
    expect(certificates[0]?.consents).toHaveLength(2)
    expect(certificates[1]?.consents).toEqual([second.id])
    expect(certificates[2]?.minEpoch).toBe(1)
    expect(registry.covering(question)).toBeUndefined()
  })

  it('CON-6 renews before the end alone; after it, as for wider terms, a new grant is needed', async () => {
    const { registry, clock } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    await clock.advance(TERMS.lifetime - 1000)
    const renewed = registry.renew(id)
    expect(renewed.claims?.expires).toBe(clock.now() + TERMS.lifetime)
    await clock.advance(TERMS.lifetime)
    expect(codeOf(() => registry.renew(id))).toBe('consent/phase')
    registry.sweep()
    expect(codeOf(() => registry.renew(id))).toBe('consent/phase')
    expect(grantForTest(registry, requester.id, TERMS).id).not.toBe(id)
    const refused = registry.history.entries(id).filter(({ outcome }) => outcome === 'refused')
    expect(refused.map(({ act, content }) => [act, content.code])).toEqual([
      ['renewed', 'consent/phase'],
      ['renewed', 'consent/phase'],
    ])
  })

  it('CON-1 opens nothing while suspended and the same again when resumed', () => {
    const { registry } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    const ended: string[] = []
    registry.onEnded(({ code }) => ended.push(code))
    registry.suspend(id, 'a game')
    expect(ended).toEqual(['consent/suspended'])
    expect(codeOf(() => registry.check(id, question))).toBe('consent/suspended')
    expect(registry.covering(question)).toBeUndefined()
    registry.resume(id)
    expect(registry.covering(question)).toBeDefined()
  })

  it('CON-2 keeps every phase across a restart, and opens nothing that does not verify', async () => {
    const file = join(directory, 'consents.db')
    const { registry, database, clock } = setUp(file)
    const live = grantForTest(registry, requester.id, TERMS)
    const damaged = grantForTest(registry, requester.id, { ...TERMS, purposes: ['another'] })
    const revoked = grantForTest(registry, stranger.id, TERMS)
    registry.revoke(revoked.id, 'done')
    await registry.history.settled()
    database.prepare('UPDATE tokens SET token = replace(token, ?, ?) WHERE id = ?').run('e', 'f', damaged.id)
    // Somebody turns the row of the revoked one back.
    database
      .prepare("UPDATE lives SET state = replace(state, 'revoked', 'granted') WHERE id = ?")
      .run(revoked.id)
    database.close()
    const again = setUp(file, clock)
    expect(again.registry.show(live.id)).toMatchObject({ phase: 'granted', live: true })
    expect(again.registry.show(damaged.id)).toMatchObject({ live: false, token: null })
    expect(codeOf(() => again.registry.check(damaged.id, question))).toBe('consent/unknown')
    expect(again.registry.show(revoked.id).phase).toBe('revoked')
    again.database.close()
  })

  it("CON-4 opens nothing under a grant signed by anybody but this machine's owner", () => {
    const file = join(directory, 'consents.db')
    const { registry, database, clock } = setUp(file)
    const { id } = grantForTest(registry, requester.id, TERMS)
    database.close()
    const other = testRegistry(node.id, {
      clock,
      volunteer: stranger,
      database: openDatabase(file, CONSENT_MIGRATIONS),
    })
    expect(other.registry.show(id).live).toBe(false)
    expect(other.registry.covering(question)).toBeUndefined()
    other.database.close()
  })

  it('CON-7 writes every act down for ever, with its place in the audit log, and counts uses', async () => {
    const { registry, database } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    const use = { campaign: 'c1', purpose: 'counting primes' }
    registry.used(id, use)
    expect(registry.history.entries(id).at(-1)).toMatchObject({
      act: 'used',
      content: { ...use, tasks: 1 },
    })
    for (let i = 0; i < 5; i++) registry.used(id, use)
    registry.renew(id)
    registry.suspend(id, 'x')
    registry.resume(id)
    registry.revoke(id, 'y')
    await registry.history.settled()
    const entries = registry.history.entries(id)
    const acts = entries.map(({ act, content }) => (act === 'used' ? `used ${content.tasks}` : act))
    const tail = ['used 1', 'used 5', 'renewed', 'suspended', 'resumed', 'revoked']
    expect(acts).toEqual(['invited', 'reviewed', 'granted', ...tail])
    expect(entries.map(({ receipt }) => receipt?.index)).toEqual(entries.map((_, i) => i))
    expect(() => database.prepare('DELETE FROM history').run()).toThrow('append-only')
    expect(() => database.prepare("UPDATE history SET act = 'granted'").run()).toThrow('append-only')
  })
})
