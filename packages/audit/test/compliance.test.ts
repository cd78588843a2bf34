import { type AuditEvent, systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { purges } from '@askee/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { ruleFor } from '../src/compliance/profile.ts'
import {
  type ComplianceProfile,
  checkCompliance,
  createRetention,
  leafHash,
  listRemovals,
  PROFILES,
  parseProfile,
  verifyInclusion,
  verifyLog,
} from '../src/index.ts'
import { Logs, SUBJECT_KEY } from './support/logs.ts'

const origin = createIdentity(systemRandom).id
const DAY = 86_400_000
const profile = (id: string) => PROFILES.get(id) as ComplianceProfile

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})

async function opened(name = 'audit') {
  const clock = new VirtualTime()
  const held = await logs.open(name, clock)
  const write = (action: `${string}.${string}`, subject: string, content = {}) =>
    held.log.append({ action, subject, outcome: 'done', content })
  const check = (id: string, region: 'EU' | 'US' = 'EU') =>
    checkCompliance(held, profile(id), { now: clock.now(), region })
  return { ...held, clock, write, check }
}

describe('compliance rules', () => {
  const [sound] = [...PROFILES.values()] as [ComplianceProfile]
  const rule = sound.retention[1]
  it.each<[string, object]>([
    ['no rules', { retention: [] }],
    ['less than nothing', { retention: [{ ...rule, leastDays: -1 }] }],
    ['longer at least than at most', { retention: [{ ...rule, leastDays: 91 }] }],
    ['an unknown region', { retention: [{ ...rule, regions: ['EUROPE'] }] }],
    ['an action that is none', { retention: [{ ...rule, actions: ['everything'] }] }],
    ['a purge of the chain of custody', { retention: [{ ...rule, regions: 'all', actions: ['*'] }] }],
    ['evidence of an unknown kind', { evidence: [{ kind: 'sometimes', name: 'x', source: 'x' }] }],
    ['a field that nobody reads', { exceptions: ['all'] }],
  ])('AUD-2 are refused with %s', (_, change) => {
    expect(() => parseProfile({ ...sound, ...change })).toThrow(
      expect.objectContaining({ code: 'audit/profile' }),
    )
  })

  it('AUD-2 find contents of sessions in the EU after 90 days, elsewhere after a year', async () => {
    const { write, check, clock } = await opened()
    await write('consent.granted', 'c1')
    await write('consent.used', 'c1')
    await write('consent.used', 'c1', { region: 'US' })
    await clock.advance(90 * DAY)
    expect(await check('gdpr')).toEqual([])
    await clock.advance(1)
    const late = { code: 'compliance/kept-too-long', rule: 'sessions-eu', count: 1, first: 1, last: 1 }
    expect(await check('gdpr')).toMatchObject([late])
    expect(await check('gdpr', 'US')).toEqual([])
    await clock.advance(275 * DAY)
    expect(await check('gdpr')).toMatchObject([late, { rule: 'sessions', first: 2, last: 2 }])
    expect((await check('hipaa')).filter(({ rule }) => rule === 'documentation')).toEqual([])
  })

  it('AUD-2 find a use without a consent before it', async () => {
    const { write, check } = await opened()
    await write('consent.granted', 'c1')
    await write('consent.used', 'c1')
    await write('consent.used', 'c2')
    await write('consent.granted', 'c2')
    for (const id of PROFILES.keys()) {
      expect(await check(id)).toMatchObject([{ code: 'compliance/evidence-missing', count: 1, first: 2 }])
    }
  })

  it('AUD-2 find a log that nobody verified or cosigned for too long', async () => {
    const { write, check, clock, database } = await opened()
    await write('consent.granted', 'c1')
    await clock.advance(31 * DAY)
    expect((await check('soc2')).map(({ rule }) => rule)).toEqual(['evaluation', 'integrity'])
    await write('audit.verified', 'system')
    expect(await check('soc2')).toMatchObject([{ rule: 'integrity', first: 0, last: 0 }])
    database.prepare("INSERT INTO audit_cosignatures VALUES (1, 'somebody', 'line')").run()
    expect(await check('soc2')).toEqual([])
  })
})

describe('retention', () => {
  it('AUD-2 purges what is over and nothing else; the tree stays whole and says what went', async () => {
    const { write, check, clock, database, retention, log, vault, timers } = await opened()
    await write('consent.granted', 'c1')
    for (let i = 0; i < 3; i++) await write('consent.used', 'c1')
    await write('consent.used', 'c2')
    const root = log.root()
    const proof = log.prove(2)
    await clock.advance(91 * DAY)
    await write('consent.used', 'c1')

    const [purged, ...more] = await retention.purge(profile('gdpr'), 'EU')
    expect(more).toEqual([])
    const said = { rule: 'gdpr/sessions-eu', count: 4, first: 1, last: 4, positions: '1-4' }
    expect(purged).toMatchObject(said)
    expect(log.read(purged?.receipt.index as number).event).toMatchObject({
      action: 'audit.purged',
      content: said,
    })
    expect(purges(database)).toMatchObject([{ table: 'audit_contents', rows: 4 }])

    expect([0, 1, 4].map((index) => log.read(index).event)).toMatchObject([
      { subject: 'c1' },
      'purged',
      'purged',
    ])
    expect(log.root(5)).toEqual(root)
    expect(verifyInclusion(leafHash(log.prove(2).entry), 2, proof.size, proof.hashes, root)).toBe(true)
    expect(await verifyLog({ database, vault, origin, timers })).toMatchObject({
      findings: [],
      contents: { readable: 3, purged: 4 },
    })
    // c2 has nothing here any more, and with its key no copy of it can be read; c1 has.
    expect(database.prepare('SELECT count(*) FROM vault_erased').pluck().get()).toBe(1)
    expect(await check('gdpr')).toEqual([])
    expect(await retention.purge(profile('gdpr'), 'EU')).toEqual([])
    expect(await check('soc2')).toContainEqual(
      expect.objectContaining({ code: 'compliance/gone-too-early', count: 4, first: 1, last: 4 }),
    )
  })

  it('AUD-2 says so when a purge that it announced did not succeed', async () => {
    const { write, clock, database, retention, log, timers } = await opened()
    await write('consent.used', 'c1')
    await clock.advance(91 * DAY)
    database.exec('DROP TABLE store_purge_permits')
    await expect(retention.purge(profile('gdpr'), 'EU')).rejects.toThrow('store_purge_permits')
    expect(log.read(0).event).toMatchObject({ subject: 'c1' })
    expect([1, 2].map((index) => log.read(index).entry)).toMatchObject([
      { action: 'audit.purged', outcome: 'done' },
      { action: 'audit.purged', outcome: 'failed' },
    ])
    // It covers nothing, and is not ended later.
    expect(await listRemovals({ log, database, timers })).toEqual([])
    expect(await retention.resume()).toBe(false)
    expect(log.read(0).event).toMatchObject({ subject: 'c1' })
  })

  it('AUD-2 purges exactly what is older than its rule allows, at any age', async () => {
    let round = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 }),
        async (gaps) => {
          const { write, clock, retention, log } = await opened(`round-${round++}`)
          for (const gap of gaps) {
            await write('consent.used', 'c1')
            await clock.advance(gap * DAY)
          }
          const old = gaps.map((_, i) => clock.now() - log.read(i).entry.at > 90 * DAY)
          await retention.purge(profile('gdpr'), 'EU')
          expect(gaps.map((_, i) => log.read(i).event === 'purged')).toEqual(old)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('AUD-2 ends a purge that a crash kept between its act and the deed', async () => {
    const { write, clock, retention, database, vault, timers, log } = await opened()
    for (let i = 0; i < 3; i++) await write('consent.used', 'c1')
    await write('consent.used', 'c2')
    await clock.advance(91 * DAY)
    // What the act said is as it was: nothing was deleted, and nothing said that it was not.
    await retention.hold('c2', 'case 12/2026')
    database.exec(
      "CREATE TRIGGER crash BEFORE DELETE ON audit_contents BEGIN SELECT RAISE(ABORT, 'crash'); END",
    )
    const crashed = Object.assign(Object.create(log), {
      append: (event: AuditEvent) => {
        if (event.outcome === 'failed') throw new Error('crash')
        return log.append(event)
      },
      read: (index: number) => log.read(index),
    })
    const parts = { log: crashed, clock, database, vault, timers }
    await expect(
      createRetention(parts, { subjectKey: SUBJECT_KEY }).purge(profile('gdpr'), 'EU'),
    ).rejects.toThrow()
    database.exec('DROP TRIGGER crash')
    expect(log.read(0).event).toMatchObject({ subject: 'c1' })
    expect(await retention.resume()).toBe(true)
    expect([0, 1, 2, 3].map((index) => typeof log.read(index).event)).toEqual([
      ...['string', 'string', 'string', 'object'],
    ])
    expect(await retention.resume()).toBe(false)
  })

  it('AUD-2 ends an erasure that a crash kept between its act and the deed, and erases nothing written after one', async () => {
    const { write, clock, retention, database, vault, timers, log } = await opened()
    await write('consent.granted', 'c1')
    await write('consent.granted', 'c2')
    const broken = Object.assign(Object.create(vault), {
      erase: () => {
        throw new Error('crash')
      },
      has: () => false,
    })
    const parts = { log, clock, database, vault: broken, timers }
    await expect(
      createRetention(parts, { subjectKey: SUBJECT_KEY }).erase('c1', 'asked for'),
    ).rejects.toThrow('crash')
    expect(log.read(0).event).toMatchObject({ subject: 'c1' })
    await write('consent.used', 'c1')
    expect(await listRemovals({ log, database, timers })).toMatchObject([{ count: 2, left: 2 }])
    expect(await retention.resume()).toBe(true)
    expect([0, 1, 4].map((index) => log.read(index).event)).toMatchObject([
      'erased',
      { subject: 'c2' },
      'erased',
    ])
    expect((await verifyLog({ database, vault, origin, timers })).findings).toEqual([])

    await write('consent.granted', 'c1')
    const restarted = createRetention({ log, clock, database, vault, timers }, { subjectKey: SUBJECT_KEY })
    expect(await restarted.resume()).toBe(false)
    expect(log.read(log.size() - 1).event).toMatchObject({ subject: 'c1' })
    expect((await verifyLog({ database, vault, origin, timers })).findings).toEqual([])
  })

  it('AUD-2 tries to end an interrupted removal again, before another one makes it one that nobody ends', async () => {
    const { write, clock, database, vault, timers, log } = await opened()
    await write('consent.granted', 'c1')
    await write('consent.granted', 'c2')
    let broken = 3
    const failing = Object.assign(Object.create(vault), {
      erase: (tag: string) => {
        if (broken-- > 0) throw new Error('the disk')
        return vault.erase(tag)
      },
      has: () => false,
    })
    const restart = () =>
      createRetention({ log, clock, database, vault: failing, timers }, { subjectKey: SUBJECT_KEY })
    await expect(restart().erase('c1', 'asked for')).rejects.toThrow('the disk')
    const retention = restart()
    await expect(retention.resume()).rejects.toThrow('the disk')
    await expect(retention.erase('c2', 'asked for')).rejects.toThrow('the disk')
    expect(typeof log.read(1).event).toBe('object')
    await retention.erase('c2', 'asked for')
    expect([0, 1].map((index) => log.read(index).event)).toEqual(['erased', 'erased'])
    expect((await verifyLog({ database, vault, origin, timers })).findings).toEqual([])
    expect((await listRemovals({ log, database, timers })).every(({ left }) => left === 0)).toBe(true)
  })

  it('AUD-2 an erasure that was cancelled takes nothing from the proof of an earlier one', async () => {
    const { write, clock, retention, database, vault, timers, log } = await opened()
    await write('consent.granted', 'c1')
    await retention.erase('c1', 'asked for')
    await write('consent.granted', 'c1')
    const failing = Object.assign(Object.create(vault), {
      erase: () => {
        throw new Error('the disk')
      },
      has: (tag: string) => vault.has(tag),
    })
    const parts = { log, clock, database, vault: failing, timers }
    await expect(
      createRetention(parts, { subjectKey: SUBJECT_KEY }).erase('c1', 'asked again'),
    ).rejects.toThrow('the disk')
    const { findings, contents } = await verifyLog({ database, vault, origin, timers })
    expect([findings, contents.erased, contents.lost]).toEqual([[], 2, 0])
  })

  it('AUD-2 keeps what is under legal hold, whoever asks, until its release', async () => {
    const { write, check, clock, retention, log } = await opened()
    await write('consent.granted', 'c1')
    await write('consent.used', 'c1')
    const { hold } = await retention.hold('c1', 'case 12/2026')
    await clock.advance(400 * DAY)
    const held = expect.objectContaining({ code: 'audit/legal-hold' })
    await expect(retention.erase('c1', 'the person asked')).rejects.toThrow(held)
    expect(await retention.purge(profile('gdpr'), 'EU')).toEqual([])
    expect(await check('gdpr')).toEqual([])
    expect(log.read(1).event).toMatchObject({ subject: 'c1' })
    expect(log.read(3)).toMatchObject({ entry: { action: 'erasure.requested', outcome: 'refused' } })

    await retention.release('c1', hold, 'the case is closed')
    await expect(retention.release('c1', hold, 'again')).rejects.toMatchObject({ code: 'audit/not-held' })
    await clock.advance(31 * DAY)
    expect((await check('gdpr')).map(({ code }) => code)).toEqual([
      'compliance/kept-too-long',
      'compliance/erasure-overdue',
    ])
    expect(await retention.purge(profile('gdpr'), 'EU')).toMatchObject([{ count: 1, first: 1 }])
    await retention.erase('c1', 'the person asked')
    expect(await check('gdpr')).toEqual([])
  })

  it('AUD-2 erases a subject by destroying its key, and writes down that it was asked and done', async () => {
    const { write, check, retention, log, database, vault, timers } = await opened()
    await write('consent.granted', 'c1')
    await write('consent.granted', 'c2')
    const { contents, receipt } = await retention.erase('c1', 'the person asked')
    expect(contents).toBe(2)
    expect([0, 1, 2].map((index) => log.read(index).event)).toMatchObject([
      'erased',
      { subject: 'c2' },
      'erased',
    ])
    const done = log.read(receipt.index)
    expect(done).toMatchObject({
      entry: { action: 'audit.erased' },
      event: { content: { request: 2, count: 2, positions: '0,2' } },
    })
    expect(JSON.stringify(done.event)).not.toContain('c1')
    expect((await verifyLog({ database, vault, origin, timers })).findings).toEqual([])
    expect(await check('gdpr')).toEqual([])
    expect(await check('hipaa')).toMatchObject([
      { code: 'compliance/gone-too-early', count: 2, first: 0, last: 2 },
    ])
  })

  it.each<[string, `${string}.${string}`, number]>([
    ['hipaa', 'consent.granted', 2_192],
    ['hipaa', 'key.rotated', 2_192],
    ['soc2', 'consent.used', 365],
    ['gdpr', 'consent.revoked', 365],
  ])('AUD-2 finds by the rules of %s that %s went before %i days were over', async (id, act, days) => {
    const { write, check, clock, retention, database } = await opened()
    await write(act, 'c1')
    const none = parseProfile({
      ...{ id: 'none', title: 'x', evidence: [], erasure: null },
      retention: [
        { name: 'own', actions: ['audit.*'], regions: 'all', leastDays: 0, mostDays: null, source: 'x' },
        { name: 'all', actions: ['*'], regions: 'all', leastDays: 0, mostDays: 0, source: 'x' },
      ],
    })
    await clock.advance(1)
    await retention.purge(none, 'EU')
    database.prepare("INSERT INTO audit_cosignatures VALUES (9, 'somebody', 'line')").run()
    const early = async () => (await check(id)).filter(({ code }) => code === 'compliance/gone-too-early')
    await clock.advance(days * DAY - 2)
    expect(await early()).toMatchObject([{ count: 1, first: 0 }])
    await clock.advance(1)
    expect(await early()).toEqual([])
  })

  it.each([...PROFILES.keys()])(
    'AUD-2 has a source for every figure of %s, a rule for every act and region',
    (id) => {
      const { retention, evidence } = profile(id)
      for (const { source } of [...retention, ...evidence]) expect(source).toMatch(/\w/)
      for (const region of ['EU', 'US', 'other'] as const) {
        for (const act of ['consent.used', 'key.rotated', 'audit.purged', 'compute.assigned']) {
          expect(ruleFor(profile(id), act, region)).toBeDefined()
        }
      }
    },
  )

  it('AUD-2 wants a reason', async () => {
    const { retention } = await opened()
    for (const reason of ['', 'x'.repeat(201)]) {
      await expect(retention.hold('c1', reason)).rejects.toMatchObject({ code: 'audit/reason' })
      await expect(retention.erase('c1', reason)).rejects.toMatchObject({ code: 'audit/reason' })
    }
  })
})
