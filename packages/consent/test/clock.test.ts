import { silentLogger, systemRandom, type TopicName } from '@askee/core'
import { createMemoryMeshNetwork, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { describe, expect, it } from 'vitest'
import {
  CONSENT_MIGRATIONS,
  consentTopics,
  createRevocationBook,
  createRevocationExchange,
  createTokenVerifier,
  inspectToken,
  REVOCATION_TOPIC,
} from '../src/index.ts'
import { Retelling } from '../src/revocation/retelling.ts'
import { signStatusList, verifyStatusList } from '../src/revocation/status-list.ts'
import { grantForTest, testRegistry } from '../src/testing/index.ts'
import { codeOf, expected, granted, NOW, node, requester, volunteer } from './support.ts'

const [SECOND, HOUR] = [1000, 3_600_000]

/** A machine whose clock somebody sets. */
class SetClock extends VirtualTime {
  #shift = 0

  set(shift: number): void {
    this.#shift = shift
  }

  override now(): number {
    return super.now() + this.#shift
  }
}

describe('a clock that is set back', () => {
  it('CON-5 keeps nobody from asking for a status list again', async () => {
    const clock = new SetClock(NOW)
    const { token } = granted({ data: ['personal'], lifetime: 100 * HOUR })
    let [asked, answers] = [0, false]
    const fetch = async () => {
      asked++
      if (!answers) return undefined
      const now = clock.now()
      return signStatusList(volunteer, {
        uri: 'askee://list',
        now,
        lifetime: HOUR,
        entries: 4096,
        statuses: new Map(),
      })
    }
    const verify = createTokenVerifier({ clock, statuses: { fetch } })
    await clock.advance(20 * HOUR)
    await expect(verify(token, expected)).rejects.toMatchObject({ code: 'consent/stale' })
    clock.set(-10 * HOUR)
    answers = true
    await clock.advance(11 * SECOND)
    await expect(verify(token, expected)).resolves.toBeDefined()
    expect(asked).toBe(2)
  })

  it('CON-5 has the status list signed anew all the same', async () => {
    const clock = new SetClock(NOW)
    const { registry } = testRegistry(node.id, { clock, volunteer })
    grantForTest(registry, requester.id)
    const issued = () =>
      verifyStatusList(registry.statusList(), { uri: registry.statusUri, issuer: volunteer.id }, clock.now())
        .issuedAt
    const first = issued()
    clock.set(-HOUR)
    await clock.advance(61 * SECOND)
    expect(issued()).toBe(first - HOUR + 61 * SECOND)
  })

  it('CON-5 has a revocation told again all the same', async () => {
    const clock = new SetClock(NOW)
    const network = createMemoryMeshNetwork({ clock, timers: clock })
    const [self, other] = [0, 1].map(() => createIdentity(systemRandom).id)
    const topics = consentTopics(clock)
    const [mesh, hearer] = [network.node(self!, { topics }), network.node(other!, { topics })]
    await Promise.all([mesh.start(), hearer.start()])
    let heard = 0
    let published = 0
    const publish = async (topic: TopicName, body: Uint8Array) => {
      published++
      return mesh.publish(topic, body)
    }
    hearer.subscribe(REVOCATION_TOPIC, () => heard++)
    const parts = { mesh: { ...mesh, publish }, clock, timers: clock, logger: silentLogger }
    const retelling = new Retelling(parts, SECOND)
    retelling.add(granted({ lifetime: 100 * HOUR }).certificate)
    await clock.advance(100)
    clock.set(-HOUR)
    await clock.advance(10 * 60 * SECOND)
    expect(published).toBe(8)
    expect(heard).toBeGreaterThan(0)
    retelling.stop()
    await Promise.all([mesh.stop(), hearer.stop()])
  })
})

/** A volunteer's node and a requester's, each with a clock that somebody sets. */
async function pair() {
  const time = new VirtualTime(NOW)
  const network = createMemoryMeshNetwork({ clock: time, timers: time })
  const [worker, asker] = [0, 1].map(() => {
    const clock = { shift: 0, now: () => time.now() + clock.shift, monotonic: () => time.monotonic() }
    const { id } = createIdentity(systemRandom)
    const mesh = network.node(id, { topics: consentTopics(clock) })
    const { registry } = testRegistry(id, { clock })
    const book = createRevocationBook({ database: openDatabase(':memory:', CONSENT_MIGRATIONS), clock })
    const parts = { mesh, clock, timers: time, logger: silentLogger, registry, book }
    const exchange = createRevocationExchange(parts)
    const start = () => mesh.start().then(() => exchange.start())
    const stop = () => exchange.stop().then(() => mesh.stop())
    return { id, clock, mesh, registry, book, start, stop }
  })
  const { id, token } = grantForTest(worker!.registry, asker!.id, { lifetime: 100 * HOUR })
  return {
    time,
    worker: worker!,
    asker: asker!,
    revoke: () => worker!.registry.revoke(id, 'a test'),
    told: () => worker!.registry.history.entries(id).filter(({ act }) => act === 'told').length,
    verdict: () => codeOf(() => asker!.book.check(inspectToken(token))),
  }
}

describe('a clock that is ahead for a while', () => {
  it("CON-5 of a requester's node has it told again, until it says that it knows", async () => {
    const { time, worker, asker, revoke, told, verdict } = await pair()
    await Promise.all([worker.start(), asker.start()])
    asker.clock.shift = 200 * HOUR
    revoke()
    await time.advance(600 * SECOND)
    expect([told(), verdict()]).toEqual([0, undefined])
    asker.clock.shift = 0
    await time.advance(310 * SECOND)
    expect([told(), verdict()]).toEqual([1, 'consent/revoked'])
    await Promise.all([worker.stop(), asker.stop()])
  })

  it("CON-5 of the volunteer's node keeps it from telling no longer than that", async () => {
    const { time, worker, asker, revoke, told, verdict } = await pair()
    await worker.start()
    revoke()
    await time.advance(10 * SECOND)
    worker.clock.shift = 200 * HOUR
    await time.advance(600 * SECOND)
    worker.clock.shift = 0
    await time.advance(310 * SECOND)
    await asker.start()
    await time.advance(310 * SECOND)
    expect([told(), verdict()]).toEqual([1, 'consent/revoked'])
    await Promise.all([worker.stop(), asker.stop()])
  })

  it('CON-5 makes no revocation forgotten that others told', async () => {
    const clock = new SetClock(NOW)
    const book = createRevocationBook({ database: openDatabase(':memory:', CONSENT_MIGRATIONS), clock })
    const [one, two] = [granted(), granted({ lifetime: 1000 * HOUR })]
    expect(book.take(one.certificate)).toBe('new')
    clock.set(200 * HOUR)
    await clock.advance(120 * SECOND)
    expect(book.take(two.certificate)).toBe('new')
    clock.set(0)
    for (const { token } of [one, two]) {
      expect(codeOf(() => book.check(inspectToken(token)))).toBe('consent/revoked')
    }
  })
})

describe('a status list of the future', () => {
  const parties = { uri: 'askee://list', issuer: volunteer.id }
  const listOf = (now: number, statuses: [number, 'invalid'][] = []) =>
    signStatusList(volunteer, {
      uri: parties.uri,
      now,
      lifetime: 200 * HOUR,
      entries: 4096,
      statuses: new Map(statuses),
    })

  it('CON-5 is refused, beyond what honest clocks differ', () => {
    const read = (now: number) => codeOf(() => verifyStatusList(listOf(now), parties, NOW))
    expect([read(NOW + 5 * 60 * SECOND), read(NOW + 5 * 60 * SECOND + SECOND), read(NOW + HOUR)]).toEqual([
      undefined,
      'consent/not-yet-valid',
      'consent/not-yet-valid',
    ])
  })

  it('CON-5 hides no later list that says revoked, and keeps no consent on personal data fresh', async () => {
    const clock = new VirtualTime(NOW)
    const { token } = granted({ data: ['personal'], lifetime: 100 * HOUR })
    let list = listOf(NOW + 50 * HOUR)
    const verify = createTokenVerifier({ clock, statuses: { fetch: async () => list } })
    const verdict = () =>
      verify(token, expected).then(
        () => 'good',
        ({ code }) => code,
      )
    await clock.advance(6 * 60 * SECOND)
    expect(await verdict()).toBe('consent/stale')
    await clock.advance(11 * SECOND)
    list = listOf(clock.now(), [[7, 'invalid']])
    expect(await verdict()).toBe('consent/revoked')
  })
})
