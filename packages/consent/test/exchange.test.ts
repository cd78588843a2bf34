import { type NodeId, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryMeshNetwork, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  consentTopics,
  createRevocationBook,
  createRevocationExchange,
  createRevocationLookup,
  createTokenVerifier,
  inspectToken,
} from '../src/index.ts'
import { signCertificate } from '../src/revocation/certificate.ts'
import { grantForTest, testRegistry } from '../src/testing/index.ts'
import { codeOf } from './support.ts'

const topics = consentTopics(systemClock)
let network: ReturnType<typeof createMemoryMeshNetwork>
const stops: (() => Promise<void>)[] = []
beforeEach(() => {
  network = createMemoryMeshNetwork()
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function node() {
  const identity = createIdentity(systemRandom)
  const mesh = network.node(identity.id, { topics })
  await mesh.start()
  const { registry, database, volunteer } = testRegistry(identity.id)
  const book = createRevocationBook({ database, clock: systemClock })
  const components = { mesh, clock: systemClock, timers: systemTimers, logger: silentLogger, registry, book }
  const exchange = createRevocationExchange(components, { retellFirst: 30, requestTimeout: 500 })
  await exchange.start()
  stops.push(
    () => mesh.stop(),
    () => exchange.stop(),
  )
  return { id: identity.id, mesh, registry, book, exchange, volunteer }
}

describe('the exchange of revocations', () => {
  it('CON-5 makes every node refuse the token, and has the requester acknowledge it', async () => {
    const [worker, requester, ...others] = await Promise.all(Array.from({ length: 8 }, node))
    const { id, token } = grantForTest(worker!.registry, requester!.id)
    worker!.registry.revoke(id, 'a test')
    for (const { book } of [worker!, requester!, ...others]) {
      await expect.poll(() => codeOf(() => book.check(inspectToken(token)))).toBe('consent/revoked')
    }
    await expect
      .poll(() => worker!.registry.history.entries(id).find(({ act }) => act === 'told')?.content.node)
      .toBe(requester!.id)
  })

  it('CON-5 tells a requester that was away when it comes back', async () => {
    const worker = await node()
    const identity = createIdentity(systemRandom)
    const { id, token } = grantForTest(worker.registry, identity.id)
    worker.registry.revoke(id, 'a test')
    const mesh = network.node(identity.id, { topics })
    await mesh.start()
    const own = testRegistry(identity.id)
    const book = createRevocationBook({ database: own.database, clock: systemClock })
    const components = {
      mesh,
      clock: systemClock,
      timers: systemTimers,
      logger: silentLogger,
      registry: own.registry,
      book,
    }
    const exchange = createRevocationExchange(components)
    await exchange.start()
    stops.push(
      () => mesh.stop(),
      () => exchange.stop(),
    )
    await expect
      .poll(() => codeOf(() => book.check(inspectToken(token))), { timeout: 10_000 })
      .toBe('consent/revoked')
  })

  it('CON-5 goes on telling after a restart of the node that revoked', async () => {
    const worker = await node()
    const requester = await node()
    const { id, token } = grantForTest(worker.registry, requester.id)
    await worker.exchange.stop()
    worker.registry.revoke(id, 'while the exchange is down')
    expect(codeOf(() => requester.book.check(inspectToken(token)))).toBeUndefined()
    await worker.exchange.start()
    await expect.poll(() => codeOf(() => requester.book.check(inspectToken(token)))).toBe('consent/revoked')
  })

  it('CON-5 serves its status list to who asks, from its node or from a record', async () => {
    const worker = await node()
    const requester = await node()
    const { id, token, claims } = grantForTest(worker.registry, requester.id, {
      data: ['personal'],
      lifetime: 3_600_000,
    })
    const uri = claims?.status.list as string
    const list = await requester.exchange.fetch(uri, worker.id)
    expect(list).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    // A verifier without gossip, an hour later by its clock.
    const clock = { ...systemClock, now: () => systemClock.now() + 600_000, monotonic: () => 0 }
    const verify = createTokenVerifier({ clock, statuses: requester.exchange })
    const parties = { subject: worker.id, audience: requester.id }
    worker.registry.revoke(id, 'a test')
    await expect(verify(token, parties)).rejects.toMatchObject({ code: 'consent/revoked' })
  })

  it('CON-5 tells of many revocations at once, none of them held up by repetitions of the others', async () => {
    const [worker, requester, other] = await Promise.all(Array.from({ length: 3 }, node))
    const tokens: string[] = []
    for (let i = 0; i < 40; i++) {
      const { id, token } = grantForTest(worker!.registry, requester!.id, { purposes: [`purpose ${i}`] })
      tokens.push(token)
      worker!.registry.revoke(id, 'a test')
    }
    const refusing = (): number =>
      tokens.filter((token) => codeOf(() => other!.book.check(inspectToken(token))) === 'consent/revoked')
        .length
    await expect.poll(refusing, { timeout: 20_000 }).toBe(40)
    // While the first ones are repeated, a last one is still heard at once.
    const { id, token } = grantForTest(worker!.registry, requester!.id)
    worker!.registry.revoke(id, 'a test')
    await expect
      .poll(() => codeOf(() => other!.book.check(inspectToken(token))), { timeout: 5000 })
      .toBe('consent/revoked')
  })

  it('CON-5 is found in the records by a node that came after, when nobody is left to tell it', async () => {
    const [worker, ...others] = await Promise.all(Array.from({ length: 4 }, node))
    const requester = createIdentity(systemRandom).id
    const { id, token } = grantForTest(worker!.registry, requester)
    const renewed = worker!.registry.renew(id).token as string
    const other = grantForTest(worker!.registry, requester, { purposes: ['another'] })
    const recorded = async (name: string) =>
      others[0]!.mesh.getRecord({ namespace: 'consent-revocation', owner: worker!.id, name })
    worker!.registry.revoke(id, 'a test')
    await expect.poll(() => recorded(inspectToken(renewed).id)).toBeDefined()
    await worker!.exchange.stop()
    await worker!.mesh.stop()
    for (const { exchange } of others) await exchange.stop()

    const late = await node()
    const { book } = late
    const parts = { clock: systemClock, book, records: late.exchange, logger: silentLogger }
    // By the token of either renewal, and no other token of the same volunteer with it.
    for (const text of [token, renewed]) {
      expect(codeOf(() => book.check(inspectToken(text)))).toBe(
        text === token ? undefined : 'consent/revoked',
      )
      await createRevocationLookup(parts).look(inspectToken(text))
      expect(codeOf(() => book.check(inspectToken(text)))).toBe('consent/revoked')
    }
    await createRevocationLookup(parts).look(inspectToken(other.token))
    expect(codeOf(() => book.check(inspectToken(other.token)))).toBeUndefined()
  })

  it('CON-5 is found by any token when everything was revoked', async () => {
    const [worker, holder] = await Promise.all(Array.from({ length: 2 }, node))
    const lost = grantForTest(worker!.registry, holder!.id).token
    worker!.registry.revokeAll('sold')
    const key = { namespace: 'consent-revocation', owner: worker!.id, name: 'all' }
    await expect.poll(() => holder!.mesh.getRecord(key)).toBeDefined()
    await worker!.exchange.stop()
    const late = await node()
    const find = async (token: string, subject: NodeId) =>
      (await late.exchange.find(token, subject)).filter((text) => text.includes('.'))
    const texts = await find('0'.repeat(32), worker!.id)
    expect(texts).toHaveLength(1)
    expect(late.book.take(texts[0] as string)).toBe('new')
    expect(codeOf(() => late.book.check(inspectToken(lost)))).toBe('consent/revoked')
  })

  it('CON-5 CON-4 has a verifier look for itself, not at every token shown, and believe only the issuer', async () => {
    const clock = new VirtualTime(systemClock.now())
    const { registry, database, volunteer } = testRegistry(createIdentity(systemRandom).id, { clock })
    const subject = registry.statusUri.split('/')[2] as NodeId
    const audience = createIdentity(systemRandom).id
    const { id, token, certificate } = grantForTest(registry, audience)
    const book = createRevocationBook({ database, clock })
    const stranger = createIdentity(systemRandom)
    const lie = signCertificate(stranger, {
      id,
      now: clock.now(),
      until: clock.now() + 60_000,
      consents: [id],
    })
    let found = [lie]
    let looks = 0
    const records = {
      find: async (name: string, of: NodeId) => {
        expect([name, of]).toEqual([id, subject])
        looks++
        return found
      },
    }
    const lookup = createRevocationLookup({ clock, book, records, logger: silentLogger })
    const verify = createTokenVerifier({ clock, revocations: book, lookup })
    const parties = { subject, audience }
    const heard: string[] = []
    book.onRevoked(({ tokens }) => heard.push(...tokens.map((token) => token.id)))
    for (let i = 0; i < 3; i++) expect((await verify(token, parties)).issuer).toBe(volunteer.id)
    await clock.advance(1)
    expect([looks, heard]).toEqual([1, []])
    found = ['no certificate']
    await clock.advance(5 * 60_000)
    await verify(token, parties)
    await clock.advance(1)
    found = [certificate as string]
    await clock.advance(5 * 60_000)
    // Refused already, if the records answer while it verifies.
    await verify(token, parties).catch(() => undefined)
    await clock.advance(1)
    expect([looks, heard]).toEqual([3, [id]])
    await expect(verify(token, parties)).rejects.toMatchObject({ code: 'consent/revoked' })
  })

  it('CON-5 looks for every token of many that are shown at once, a few at a time', async () => {
    const { registry, database } = testRegistry(createIdentity(systemRandom).id)
    const book = createRevocationBook({ database, clock: systemClock })
    const audience = createIdentity(systemRandom).id
    const tokens = Array.from({ length: 30 }, (_, i) =>
      inspectToken(grantForTest(registry, audience, { purposes: [`purpose ${i}`] }).token),
    )
    const asked = new Set<string>()
    let [now, most] = [0, 0]
    const find = async (token: string) => {
      asked.add(token)
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      if (asked.size % 3 === 0) throw new Error('nobody answers')
      return []
    }
    const parts = { clock: systemClock, book, records: { find }, logger: silentLogger }
    const lookup = createRevocationLookup(parts)
    await Promise.all(tokens.map((token) => lookup.look(token)))
    expect([asked.size, most, now]).toEqual([30, 6, 0])
  })

  it('CON-5 records the status list anew before it is over', async () => {
    const clock = new VirtualTime(systemClock.now())
    const fabric = createMemoryMeshNetwork({ clock, timers: clock })
    const identity = createIdentity(systemRandom)
    const [mesh, holder] = [identity.id, createIdentity(systemRandom).id].map((self) =>
      fabric.node(self, { topics: consentTopics(clock) }),
    )
    await Promise.all([mesh!.start(), holder!.start()])
    const { registry, database } = testRegistry(identity.id, { clock })
    const book = createRevocationBook({ database, clock })
    const parts = { mesh: mesh!, clock, timers: clock, logger: silentLogger, registry, book }
    const exchange = createRevocationExchange(parts, { retellFirst: 60_000, retellLongest: 3_600_000 })
    await exchange.start()
    const { id } = grantForTest(registry, holder!.self, { lifetime: 100 * 3_600_000 })
    registry.revoke(id, 'a test')
    const key = { namespace: 'consent-status', owner: identity.id, name: 'list' }
    const sequences = new Set<number>()
    for (let hour = 0; hour < 72; hour++) {
      await clock.advance(3_600_000)
      const record = await Promise.all([holder!.getRecord(key), clock.advance(10)]).then(([found]) => found)
      expect([hour, record === undefined]).toEqual([hour, false])
      sequences.add(record!.sequence)
    }
    expect(sequences.size).toBeGreaterThan(3)
    expect(sequences.size).toBeLessThan(10)
    await exchange.stop()
    await Promise.all([mesh!.stop(), holder!.stop()])
  })

  it('CON-5 is recorded with the certificate of the grant when the key of the owner signs no more', async () => {
    const holder = await node()
    const identity = createIdentity(systemRandom)
    const mesh = network.node(identity.id, { topics })
    await mesh.start()
    const owner = createIdentity(systemRandom)
    let isLost = false
    const sign = (message: Uint8Array): Uint8Array => {
      if (isLost) throw new Error('the key is lost')
      return owner.sign(message)
    }
    const volunteer = { ...owner, id: owner.id, publicKey: owner.publicKey, sign }
    const { registry, database } = testRegistry(identity.id, { volunteer })
    const { id, token } = grantForTest(registry, createIdentity(systemRandom).id)
    const book = createRevocationBook({ database, clock: systemClock })
    const parts = { mesh, clock: systemClock, timers: systemTimers, logger: silentLogger, registry, book }
    const exchange = createRevocationExchange(parts, { retellFirst: 30 })
    await exchange.start()
    stops.push(
      () => mesh.stop(),
      () => exchange.stop(),
    )
    isLost = true
    registry.revoke(id, 'the key is lost')
    await expect.poll(() => codeOf(() => holder.book.check(inspectToken(token)))).toBe('consent/revoked')
    await expect.poll(() => holder.exchange.find(id, identity.id)).toHaveLength(1)
  })
})
