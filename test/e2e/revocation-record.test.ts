import {
  consentTopics,
  createRevocationBook,
  createRevocationExchange,
  createRevocationLookup,
  createTokenVerifier,
} from '@askee/consent'
import { grantForTest, testRegistry } from '@askee/consent/testing'
import { errorCode, type Mesh, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryBlockStore } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { createLibp2pMesh } from '@askee/network'
import { afterEach, describe, expect, it } from 'vitest'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

/** A node of the real mesh on this machine with everything that hears of revocations. */
async function node(bootstrap: readonly string[] = []) {
  const identity = createIdentity(systemRandom)
  const parts = { clock: systemClock, timers: systemTimers, random: systemRandom, logger: silentLogger }
  const mesh = createLibp2pMesh(
    { ...parts, identity, blocks: createMemoryBlockStore() },
    {
      network: 'local',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      allowInbound: ['/ip4/127.0.0.1'],
      mdns: 'off',
      bootstrap: [...bootstrap],
      topics: consentTopics(systemClock),
    },
  )
  const { registry, database } = testRegistry(identity.id)
  const book = createRevocationBook({ database, clock: systemClock })
  /** Records that others confirmed to hold. */
  const recorded = new Set<string>()
  const putRecord: Mesh['putRecord'] = async (record, options) => {
    const { acknowledged } = await mesh.putRecord(record, options)
    if (acknowledged > 0) recorded.add(`${record.namespace}/${record.name}`)
    return { acknowledged }
  }
  const watched = new Proxy<Mesh>(mesh, {
    get: (target, name) => {
      const value = name === 'putRecord' ? putRecord : Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const exchange = createRevocationExchange({ ...parts, mesh: watched, registry, book })
  const lookup = createRevocationLookup({ ...parts, book, records: exchange })
  const verify = createTokenVerifier({ ...parts, revocations: book, statuses: exchange, lookup })
  await mesh.start()
  await exchange.start()
  const stop = async (): Promise<void> => {
    await exchange.stop()
    await mesh.stop()
  }
  stops.push(stop)
  return { id: identity.id, mesh, registry, exchange, verify, recorded, stop }
}

describe('a revocation over the real mesh', () => {
  it('CON-5 is found in the DHT by a node that missed the gossip, after the volunteer has left', async () => {
    const holders = [await node()]
    const address = () => [holders[0]!.mesh.addresses()[0] as string]
    for (let i = 0; i < 2; i++) holders.push(await node(address()))
    const volunteer = await node(address())
    const requester = createIdentity(systemRandom).id
    const revoked = grantForTest(volunteer.registry, requester)
    const kept = grantForTest(volunteer.registry, requester, { purposes: ['another'] })
    const key = { namespace: 'consent-revocation', owner: volunteer.id, name: revoked.id }
    volunteer.registry.revoke(revoked.id, 'a test')
    const names = [`consent-revocation/${revoked.id}`, 'consent-status/list']
    await expect.poll(() => [...volunteer.recorded].sort(), { timeout: 60_000 }).toEqual(names)
    await volunteer.stop()
    // Nobody says it any more: what is left of it is in the DHT.
    for (const { exchange } of holders) await exchange.stop()

    const late = await node(address())
    const parties = { subject: volunteer.id, audience: requester }
    const verdict = (token: string) => late.verify(token, parties).then(() => 'good', errorCode)
    await expect
      .poll(async () => late.mesh.getRecord(key).then((record) => record?.owner), {
        timeout: 60_000,
        interval: 200,
      })
      .toBe(volunteer.id)
    // The first look may come before its answer; the answer is kept.
    await expect.poll(() => verdict(revoked.token), { timeout: 60_000 }).toBe('consent/revoked')
    expect(await verdict(kept.token)).toBe('good')
  }, 180_000)
})
