import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode, errorCode, type Mesh, systemRandom as random, silentLogger, toHex } from '@askee/core'
import { createMemoryMeshNetwork, decorate, eventually, VirtualTime } from '@askee/core/testing'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createIdentity,
  createKeyExchange,
  createKeyRing,
  createPeerKeys,
  createRevocationRecords,
  type Identity,
  type KeyExchange,
  type KeyRing,
  keyTopics,
  openKeyStore,
  openSoftwareDeviceKey,
  signKeyRevocation,
} from '../src/index.ts'

const HOUR = 3_600_000
const MINUTE = 60_000
const folder = mkdtempSync(join(tmpdir(), 'askee-revocation-records-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A machine whose clock somebody sets. */
class SetClock extends VirtualTime {
  shift = 0
  override now(): number {
    return super.now() + this.shift
  }
}

interface Node {
  readonly identity: Identity
  readonly mesh: Mesh
  readonly ring: KeyRing
  readonly exchange: KeyExchange
}

type Network = ReturnType<typeof createMemoryMeshNetwork>

let homes = 0
async function node(time: VirtualTime, network: Network, wrap = (mesh: Mesh): Mesh => mesh): Promise<Node> {
  const directory = join(folder, `${homes++}`)
  const deviceKey = await openSoftwareDeviceKey({ path: `${directory}.key`, random })
  const store = await openKeyStore({ directory, deviceKey, random })
  const identity = createIdentity(random)
  const mesh = wrap(network.node(identity.id, { topics: keyTopics(time) }))
  const around = { mesh, clock: time, timers: time, logger: silentLogger }
  const peerKeys = createPeerKeys(time)
  const documents = () => ring.documents()
  const records = createRevocationRecords(around)
  const exchange: KeyExchange = createKeyExchange({ ...around, peerKeys, documents, records })
  const ring: KeyRing = createKeyRing({ ...around, identity, store, random, announcer: exchange })
  await mesh.start()
  await exchange.start()
  await ring.start()
  return { identity, mesh, ring, exchange }
}

async function three(): Promise<{ time: VirtualTime; network: Network; all: [Node, Node, Node] }> {
  const time = new VirtualTime(1_790_000_000_000)
  const network = createMemoryMeshNetwork({ clock: time, timers: time })
  return {
    time,
    network,
    all: [await node(time, network), await node(time, network), await node(time, network)],
  }
}

/** `promise`, with time going on while it waits for it. */
async function meanwhile<T>(time: VirtualTime, promise: Promise<T>): Promise<T> {
  let isOver = false
  const end = promise.finally(() => {
    isOver = true
  })
  end.catch(() => undefined)
  while (!isOver) await time.advance(100)
  return end
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'usable',
    (error: unknown) => errorCode(error) ?? String(error),
  )

describe('a revocation that nobody was told of', () => {
  it.each(['emergency', 'identity'] as const)(
    'KEY-1 is found in the record of a node that is gone, by one that was away (%s)',
    async (kind) => {
      const { time, network, all } = await three()
      const [gone, away, holder] = all
      const ids = all.map(({ identity }) => identity.id)
      const current = () => meanwhile(time, codeOf(away.exchange.current(gone.identity.id, 'sealing')))
      expect(await current()).toBe('usable')

      network.partition([ids[0]!, ids[2]!], [ids[1]!])
      if (kind === 'emergency') await gone.ring.emergency('compromised', ['sealing'])
      else await gone.ring.revokeIdentity('compromised')
      const key = { namespace: 'key-revocations', owner: gone.identity.id, name: 'all' }
      await eventually(async () => {
        await time.advance(100)
        return (await holder.mesh.getRecord(key)) !== undefined
      })
      await gone.ring.stop()
      await gone.mesh.stop()
      network.heal()
      // It knows a key that is good for a day, and would seal to it.
      expect(await current()).toBe('usable')
      await time.advance(HOUR)
      expect(await current()).toBe(kind === 'emergency' ? 'mesh/unreachable' : 'keys/identity-revoked')
      for (const { ring } of [away, holder]) await ring.stop()
    },
  )

  it('KEY-1 is asked for again after a minute when the record could not be had', async () => {
    const time = new VirtualTime(1_790_000_000_000)
    const network = createMemoryMeshNetwork({ clock: time, timers: time })
    let asked = 0
    let isBroken = false
    const away = await node(time, network, (mesh) =>
      decorate(mesh, {
        getRecord: (...args) => {
          asked += 1
          // One that does not answer is given up after five seconds.
          if (!isBroken) return mesh.getRecord(...args)
          return new Promise((_, reject) => {
            args[1]?.signal?.addEventListener('abort', () => reject(args[1]?.signal?.reason))
          })
        },
      }),
    )
    const [gone, holder] = [await node(time, network), await node(time, network)]
    const current = () => meanwhile(time, codeOf(away.exchange.current(gone.identity.id, 'sealing')))
    expect(await current()).toBe('usable')
    network.partition([gone.identity.id, holder.identity.id], [away.identity.id])
    await gone.ring.revokeIdentity('compromised')
    const key = { namespace: 'key-revocations', owner: gone.identity.id, name: 'all' }
    await eventually(async () => {
      await time.advance(100)
      return (await holder.mesh.getRecord(key)) !== undefined
    })
    await gone.ring.stop()
    await gone.mesh.stop()
    network.heal()
    await time.advance(HOUR)

    isBroken = true
    asked = 0
    const began = time.now()
    const waiting = Promise.all([current(), current(), current()])
    expect(await waiting).toEqual(['usable', 'usable', 'usable'])
    expect([asked, time.now() - began < 10_000]).toEqual([1, true])
    expect(await current()).toBe('usable')
    expect(asked).toBe(1)
    isBroken = false
    await time.advance(MINUTE)
    expect(await current()).toBe('keys/identity-revoked')
    expect(asked).toBe(2)
    for (const { ring } of [away, holder]) await ring.stop()
  })

  it('KEY-1 is believed of nobody but its signer, and asked for once an hour', async () => {
    const { time, all } = await three()
    const [liar, reader, victim] = all
    const nodes = [liar.identity.id, victim.identity.id]
    for (const one of nodes)
      expect(await meanwhile(time, codeOf(reader.exchange.current(one, 'sealing')))).toBe('usable')
    const now = time.now()
    const stranger = createIdentity(random)
    const lost = (identity: Identity) =>
      signKeyRevocation(identity, {
        use: 'signing',
        sequence: 0,
        kids: [],
        revokedAt: now,
        until: now + HOUR,
        reason: 'lost',
      })
    const value = encode([lost(stranger), lost(victim.identity).subarray(3), new Uint8Array(10)])
    const record = {
      namespace: 'key-revocations',
      name: 'all',
      value,
      sequence: now,
      expires: now + 3 * HOUR,
    }
    await liar.mesh.putRecord(record, { quorum: 1 })
    await liar.ring.stop()
    await liar.mesh.stop()
    await time.advance(HOUR)
    for (const one of nodes)
      expect(await meanwhile(time, codeOf(reader.exchange.current(one, 'sealing')))).toBe('usable')
    for (const { ring } of [reader, victim]) await ring.stop()
  })

  it('KEY-1 is found although a document of before was recorded while the clock was ahead', async () => {
    const clock = new SetClock(1_790_000_000_000)
    const network = createMemoryMeshNetwork({ clock, timers: clock })
    const identity = createIdentity(random)
    const topics = keyTopics(clock)
    const [first, holder] = [identity.id, createIdentity(random).id].map((id) => network.node(id, { topics }))
    await Promise.all([first!.start(), holder!.start()])
    const around = (mesh: Mesh) => ({ mesh, clock, timers: clock, logger: silentLogger })
    const now = clock.now()
    const of = (sequence: number) =>
      signKeyRevocation(identity, {
        use: 'sealing',
        sequence,
        kids: [],
        revokedAt: now,
        until: now + 1000 * HOUR,
        reason: 'compromised',
      })
    clock.shift = 48 * HOUR
    await meanwhile(clock, createRevocationRecords(around(first!)).put(of(5)))
    clock.shift = 0
    // The node starts again without its own copy, and a holder has come that never saw the old record.
    await first!.stop()
    const [again, late] = [identity.id, createIdentity(random).id].map((id) => network.node(id, { topics }))
    await Promise.all([again!.start(), late!.start()])
    await meanwhile(clock, createRevocationRecords(around(again!)).put(of(9)))
    for (const mesh of [holder!, late!]) {
      const found = await meanwhile(clock, createRevocationRecords(around(mesh)).find(identity.id))
      expect(found.map(toHex)).toEqual([toHex(of(9))])
    }
  })

  it('KEY-1 stands in a record of its node with every newest one, as long as they fit', async () => {
    const { time, all } = await three()
    const [own, other] = all
    const records = createRevocationRecords({
      mesh: own.mesh,
      clock: time,
      timers: time,
      logger: silentLogger,
    })
    const kids = Array.from({ length: 64 }, (_, i) => i.toString(16).padStart(32, '0'))
    const now = time.now()
    const of = (use: 'sealing' | 'audit' | 'status' | 'signing', sequence: number) =>
      signKeyRevocation(own.identity, {
        use,
        sequence,
        kids,
        revokedAt: now,
        until: use === 'signing' ? Number.MAX_SAFE_INTEGER : now + HOUR,
        reason: 'compromised',
      })
    for (const document of [
      of('sealing', 5),
      of('audit', 1),
      of('sealing', 4),
      of('status', 1),
      of('signing', 0),
    ]) {
      await meanwhile(time, records.put(document))
    }
    const reader = createRevocationRecords({
      mesh: other.mesh,
      clock: time,
      timers: time,
      logger: silentLogger,
    })
    const found = await meanwhile(time, reader.find(own.identity.id))
    expect(found[0]).toEqual(of('signing', 0))
    expect(found).toContainEqual(of('sealing', 5))
    expect(found).not.toContainEqual(of('sealing', 4))
    expect(encode([...found]).byteLength).toBeLessThanOrEqual(7000)
    const { id } = own.identity
    expect(reader.isDue(id)).toBe(true)
    reader.looked(id, 'failed')
    expect(reader.isDue(id)).toBe(false)
    await time.advance(MINUTE)
    expect(reader.isDue(id)).toBe(true)
    reader.looked(id, 'done')
    await time.advance(HOUR - 1)
    expect(reader.isDue(id)).toBe(false)
    await time.advance(1)
    expect(reader.isDue(id)).toBe(true)
    for (const { ring } of all) await ring.stop()
  })
})
