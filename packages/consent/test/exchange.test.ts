import { silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  consentTopics,
  createRevocationBook,
  createRevocationExchange,
  createTokenVerifier,
  inspectToken,
} from '../src/index.ts'
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
})
