import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger, systemClock, systemRandom } from '@askee/core'
import { createMemoryMeshNetwork, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { type Database, openDatabase } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import {
  CONSENT_MIGRATIONS,
  type ConsentRegistry,
  consentTopics,
  createConsentHoldings,
  createRevocationBook,
  createRevocationExchange,
  inspectToken,
} from '../src/index.ts'
import { signCertificate } from '../src/revocation/certificate.ts'
import { grantForTest, testRegistry } from '../src/testing/index.ts'
import { codeOf, freshId, NOW, node, requester, stranger, volunteer } from './support.ts'

const HOUR = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'askee-put-back-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

/** Copies a database; what it returns opens the copy, as often as it is called. */
function copyOf(database: Database): () => Database {
  const path = join(folder, `${files++}.copy`)
  database.exec(`VACUUM INTO '${path}'`)
  return () => {
    const again = join(folder, `${files++}.db`)
    copyFileSync(path, again)
    return openDatabase(again, CONSENT_MIGRATIONS)
  }
}

/** A machine, the copy of its database, and a peer that hears what it tells. */
function setUp() {
  const clock = new VirtualTime(NOW)
  const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
  const { registry } = testRegistry(node.id, { clock, volunteer, database })
  const peer = createRevocationBook({ database: openDatabase(':memory:', CONSENT_MIGRATIONS), clock })
  const hearing = (from: ConsentRegistry) => {
    from.onRevoked(({ certificate }) => peer.take(certificate))
    return from
  }
  hearing(registry)
  let opened = copyOf(database)
  return {
    clock,
    registry,
    copy: () => {
      opened = copyOf(database)
    },
    /** As the machine is after its owner has put the copy back. */
    putBack: () => {
      const old = opened()
      const again = hearing(testRegistry(node.id, { clock, volunteer, database: old }).registry)
      again.putBack('a test')
      return { again, old }
    },
    verdict: (token: string) => codeOf(() => peer.check(inspectToken(token))),
  }
}

describe('a database of consents that was put back', () => {
  it('CON-5 CON-2 grants what peers take that know of a later epoch, however often it is put back', async () => {
    const { clock, registry, copy, putBack, verdict } = setUp()
    const before = grantForTest(registry, requester.id)
    copy()
    for (let i = 0; i < 3; i++) registry.revokeAll('enough')
    expect(verdict(before.token)).toBe('consent/revoked')
    for (let round = 0; round < 3; round++) {
      await clock.advance(10_000)
      const { again } = putBack()
      // Resumed, it is void for everybody who heard.
      again.resume(before.id)
      expect(verdict(again.show(before.id).token as string)).toBe('consent/revoked')
      expect(verdict(again.renew(before.id).token as string)).toBe('consent/revoked')
      const { token } = grantForTest(again, requester.id, { purposes: [`round ${round}`] })
      expect([round, verdict(token)]).toEqual([round, undefined])
      again.revokeAll('enough again')
      expect(verdict(token)).toBe('consent/revoked')
      expect(verdict(grantForTest(again, requester.id).token)).toBeUndefined()
    }
  })

  it('CON-5 is suspended whole, revokes nothing by itself, and keeps both over a restart', () => {
    const { clock, registry, copy, putBack, verdict } = setUp()
    const entries = ['one', 'two'].map((purpose) =>
      grantForTest(registry, requester.id, { purposes: [purpose] }),
    )
    copy()
    const { again, old } = putBack()
    const phases = (of: ConsentRegistry) => of.list().map(({ phase }) => phase)
    expect(phases(again)).toEqual(['suspended', 'suspended'])
    const restarted = testRegistry(node.id, { clock, volunteer, database: old }).registry
    expect(phases(restarted)).toEqual(['suspended', 'suspended'])
    expect(restarted.revocations()).toEqual([])
    for (const { id, token } of entries) {
      restarted.resume(id)
      expect(verdict(token)).toBeUndefined()
    }
    expect(grantForTest(restarted, requester.id).claims?.epoch).toBeGreaterThan(1000)
  })

  it('CON-5 CON-3 opens nothing that time has ended when a clock that was wrong is put right', async () => {
    const { clock, registry, copy, putBack } = setUp()
    const { id } = grantForTest(registry, requester.id, { lifetime: HOUR })
    copy()
    await clock.advance(2 * HOUR)
    const { old } = putBack()
    const earlier = new VirtualTime(NOW)
    const restarted = testRegistry(node.id, { clock: earlier, volunteer, database: old }).registry
    expect(restarted.show(id)).toMatchObject({ phase: 'expired', live: false })
  })

  it.each(['the note', 'the second consent', 'a page'] as const)(
    'CON-5 stays suspended on disk too when that gives out at %s, and is done when it is done again',
    async (where) => {
      const clock = new VirtualTime(NOW)
      const path = join(folder, `${files++}.db`)
      const database = openDatabase(path, CONSENT_MIGRATIONS)
      const { registry } = testRegistry(node.id, { clock, volunteer, database })
      const ids = Array.from({ length: 8 }, () => grantForTest(registry, createIdentity(systemRandom).id).id)
      await registry.history.settled()
      const abort = "BEGIN SELECT RAISE (ABORT, 'full'); END"
      if (where === 'the note') {
        database.exec(`CREATE TRIGGER full BEFORE INSERT ON put_back ${abort}`)
      } else if (where === 'the second consent') {
        database.exec(`CREATE TRIGGER full BEFORE UPDATE ON lives WHEN old.id <> '${ids[0]}' ${abort}`)
      } else {
        const pages = database.pragma('page_count', { simple: true }) as number
        database.pragma(`max_page_count = ${pages}`)
      }
      const reason = 'long enough that not all of it fits '.repeat(100)
      const phases = (of: ConsentRegistry) => new Set(ids.map((id) => of.show(id).phase))
      // As often as it takes to be sure that a failed attempt undoes nothing of the next.
      for (let i = 0; i < 2; i++) {
        expect(codeOf(() => registry.putBack(reason))).toBe('consent/not-written')
        expect(phases(registry)).toEqual(new Set(['suspended']))
      }
      if (where === 'a page') database.pragma('max_page_count = 100000')
      else database.exec('DROP TRIGGER full')
      const suspended = registry.putBack(reason).map(({ id }) => id)
      expect(suspended.sort()).toEqual([...ids].sort())
      expect(registry.putBack(reason)).toEqual([])
      await registry.history.settled()
      database.close()

      const old = openDatabase(path, CONSENT_MIGRATIONS)
      const again = testRegistry(node.id, { clock, volunteer, database: old }).registry
      expect(phases(again)).toEqual(new Set(['suspended']))
      expect(createConsentHoldings(old).areComplete()).toBe(false)
      expect(grantForTest(again, requester.id).claims?.epoch).toBeGreaterThan(1000)
      old.close()
    },
  )

  it('CON-5 says that what is kept may have no note, until somebody has looked', () => {
    const { registry, copy, putBack } = setUp()
    grantForTest(registry, requester.id)
    copy()
    const { old } = putBack()
    const holdings = createConsentHoldings(old)
    expect(holdings.areComplete()).toBe(false)
    holdings.complete()
    expect(createConsentHoldings(old).areComplete()).toBe(true)
  })
})

describe('what an owner revoked and its machine does not know', () => {
  it('CON-5 is learned from certificates of the owner alone, kills, tells, and is kept', () => {
    const { clock, registry, copy, putBack } = setUp()
    const [one, two] = ['one', 'two'].map((purpose) =>
      grantForTest(registry, requester.id, { purposes: [purpose] }),
    )
    copy()
    const { again, old } = putBack()
    for (const { id } of [one!, two!]) again.resume(id)
    const ended: string[] = []
    const told: string[] = []
    again.onEnded(({ tokens }) => ended.push(...tokens))
    again.onRevoked(({ certificate }) => told.push(certificate))
    const foreign = { id: freshId(), now: NOW, until: NOW + HOUR }
    again.learn(signCertificate(stranger, { ...foreign, consents: [one!.id] }))
    again.learn(signCertificate(stranger, { ...foreign, minEpoch: 9 }))
    const forged = one!.certificate!.split('.')
    expect(codeOf(() => again.learn([...forged.slice(0, 2), 'AAAA'].join('.')))).toBe('consent/signature')
    expect([ended, told]).toEqual([[], []])

    again.learn(one!.certificate as string)
    again.learn(one!.certificate as string)
    expect([ended, told]).toEqual([[one!.id], [one!.certificate]])
    const all = signCertificate(volunteer, { ...foreign, minEpoch: 2 ** 31 - 5 })
    again.learn(all)
    expect(ended).toEqual([one!.id, two!.id])
    const restarted = testRegistry(node.id, { clock, volunteer, database: old }).registry
    expect(restarted.list().map(({ phase }) => phase)).toEqual(['revoked', 'revoked'])
    expect(restarted.revocations().map(({ certificate }) => certificate)).toContain(all)
    expect(grantForTest(restarted, requester.id).claims?.epoch).toBe(2 ** 31 - 5)
  })

  it('CON-5 is found in the records of the mesh by a node that was put back', async () => {
    const clock = new VirtualTime(systemClock.now())
    const network = createMemoryMeshNetwork({ clock, timers: clock })
    const identity = createIdentity(systemRandom)
    const start = async (self: typeof identity.id, registry: ConsentRegistry) => {
      const mesh = network.node(self, { topics: consentTopics(clock) })
      await mesh.start()
      const book = createRevocationBook({ database: openDatabase(':memory:', CONSENT_MIGRATIONS), clock })
      const exchange = createRevocationExchange({
        mesh,
        clock,
        timers: clock,
        logger: silentLogger,
        registry,
        book,
      })
      await exchange.start()
      return { mesh, stop: () => exchange.stop().then(() => mesh.stop()) }
    }
    const holder = createIdentity(systemRandom).id
    const other = await start(holder, testRegistry(holder, { clock }).registry)
    const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
    const { registry } = testRegistry(identity.id, { clock, volunteer, database })
    const [one, two] = ['one', 'two'].map((purpose) =>
      grantForTest(registry, requester.id, { purposes: [purpose] }),
    )
    const opened = copyOf(database)
    const first = await start(identity.id, registry)
    registry.revoke(one!.id, 'enough')
    await clock.advance(5000)
    await first.stop()

    const old = opened()
    const again = testRegistry(identity.id, { clock, volunteer, database: old }).registry
    again.putBack('a test')
    const second = await start(identity.id, again)
    await clock.advance(20_000)
    expect([one, two].map((entry) => again.show(entry!.id).phase)).toEqual(['revoked', 'suspended'])
    await second.stop()
    await other.stop()
  })
})
