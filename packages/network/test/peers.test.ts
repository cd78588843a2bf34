import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Clock,
  encode,
  type ProtocolLimits,
  silentLogger,
  systemClock,
  systemRandom,
  utf8,
} from '@askee/core'
import { eventually } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { peerIdFromString } from '@libp2p/peer-id'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { afterEach, describe, expect, it } from 'vitest'
import { MAX_PEER_ENTRY_BYTES, MAX_PEER_MEMORY_BYTES, MAX_REMEMBERED_PEERS } from '../src/defaults.ts'
import { entryOf, KnownPeers, peerOf } from '../src/known-peers.ts'
import { PeerMemory } from '../src/peer-memory.ts'
import { GuardedDatastore } from '../src/records/guarded-datastore.ts'
import { loopbackNode, memoryIn, strangerId } from './nodes.ts'

const LIMITS: ProtocolLimits = {
  maxRequestBytes: 100,
  maxResponseBytes: 100,
  ratePerSecond: 100,
  burst: 100,
  concurrency: 10,
}
const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'askee-mesh-'))
  stops.push(() => rm(path, { recursive: true, force: true }))
  return path
}

async function started(...args: Parameters<typeof loopbackNode>) {
  const node = loopbackNode(...args)
  await node.start()
  stops.push(() => node.stop())
  return node
}

function sealedPorts(content: unknown, key = 7): Uint8Array {
  return memoryIn('', key).sealing.seal('ports.sealed', encode(content))
}

describe('peers are kept', () => {
  it('NET-4 a node started anew finds the peers and own records it remembers, without bootstrap', async () => {
    const directory = await folder()
    const identity = createIdentity(systemRandom)
    const peer = await started()
    const first = await started({ memory: memoryIn(directory) }, { identity })
    await peer.dial(first.addresses()[0] as string)
    await eventually(async () => (await first.closestPeers(utf8('x'), 5)).length === 1)
    const draft = { namespace: 'test', name: 'r', value: utf8('v'), sequence: 3, expires: Date.now() + 1e6 }
    await first.putRecord(draft, { quorum: 1 })
    await first.stop()
    await eventually(() => peer.peers().length === 0)
    // Another object; only the folder and the key are the same.
    const second = await started({ memory: memoryIn(directory) }, { identity })
    expect(second.self).toBe(first.self)
    await eventually(() => second.peers().includes(peer.self))
    await expect(second.putRecord({ ...draft, sequence: 2 }, { quorum: 1 })).rejects.toMatchObject({
      code: 'mesh/stale-record',
    })
  })

  it('NET-4 listens where it did before, so that others find it again, unless the port is taken', async () => {
    const directory = await folder()
    const identity = createIdentity(systemRandom)
    const first = await started({ memory: memoryIn(directory) }, { identity })
    const address = first.addresses()[0] as string
    await first.stop()
    const second = await started({ memory: memoryIn(directory) }, { identity })
    expect(second.addresses()).toEqual([address])
    await second.stop()
    const port = address.split('/')[4]
    await started({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    const third = await started({ memory: memoryIn(directory) }, { identity })
    expect(third.addresses()).toHaveLength(1)
    expect(third.addresses()).not.toEqual([address])
  })

  it('NET-4 starts again when one of its addresses has a port of its own and another has any', async () => {
    const directory = await folder()
    const placeholder = await started()
    const port = (placeholder.addresses()[0] as string).split('/')[4]
    await placeholder.stop()
    const listen = [`/ip4/127.0.0.1/tcp/${port}`, '/ip4/127.0.0.1/tcp/0']
    for (let i = 0; i < 2; i++) {
      const node = await started({ memory: memoryIn(directory), listen })
      expect(node.addresses()).toHaveLength(2)
      await node.stop()
    }
  })

  it.each([
    ['nothing', new Uint8Array(0)],
    ['garbage', new Uint8Array(200)],
    ['too much', new Uint8Array(20_000)],
    ['sealed with another key', sealedPorts({ version: 1, ip4: 4001 }, 8)],
    ['a port there is not', sealedPorts({ version: 1, ip4: 99_999 })],
  ])('NET-4 starts when what it remembers of its ports is %s', async (_what, bytes) => {
    const directory = await folder()
    await writeFile(join(directory, 'ports.sealed'), bytes)
    expect((await started({ memory: memoryIn(directory) })).addresses()).toHaveLength(1)
    expect((await stat(join(directory, 'ports.sealed'))).mode & 0o777).toBe(0o600)
    expect(new Uint8Array(await readFile(join(directory, 'ports.sealed.broken')))).toEqual(
      Uint8Array.from(bytes),
    )
  })

  it('NET-4 dials a lost peer again until it is back', async () => {
    const identity = createIdentity(systemRandom)
    const a = await started({ keepingPeriod: 100 })
    const b = await started({}, { identity })
    await a.dial(b.addresses()[0] as string)
    const port = (b.addresses()[0] as string).split('/')[4]
    await b.stop()
    await eventually(() => a.peers().length === 0)
    await started({ listen: [`/ip4/127.0.0.1/tcp/${port}`], minimumPeers: 0 }, { identity })
    await eventually(() => a.peers().includes(b.self))
  })

  it('NET-4 reaches its bootstrap peers once they are up', async () => {
    const identity = createIdentity(systemRandom)
    const placeholder = await started()
    const port = (placeholder.addresses()[0] as string).split('/')[4]
    await placeholder.stop()
    const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${identity.id}`
    const node = await started({ bootstrap: [address], keepingPeriod: 100 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(node.peers()).toEqual([])
    await started({ listen: [`/ip4/127.0.0.1/tcp/${port}`] }, { identity })
    await eventually(() => node.peers().includes(identity.id))
  })

  it('NET-4 after sleep tries at once, however long it had backed off', async () => {
    const identity = createIdentity(systemRandom)
    const placeholder = await started()
    const port = (placeholder.addresses()[0] as string).split('/')[4]
    await placeholder.stop()
    let slept = 0
    const clock: Clock = { now: () => systemClock.now() + slept, monotonic: () => systemClock.monotonic() }
    const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${identity.id}`
    const node = await started({ bootstrap: [address], keepingPeriod: 50 }, { clock })
    // Three failures: the next try would come in 4 to 8 seconds.
    await new Promise((resolve) => setTimeout(resolve, 4500))
    await started({ listen: [`/ip4/127.0.0.1/tcp/${port}`] }, { identity })
    const woke = performance.now()
    slept = 3_600_000
    await eventually(() => node.peers().includes(identity.id))
    expect(performance.now() - woke).toBeLessThan(1500)
  })

  it('NET-5 thirty nodes of one host dial one node within a second', async () => {
    const centre = await started()
    const nodes = await Promise.all(Array.from({ length: 30 }, () => started({ minimumPeers: 0 })))
    const address = centre.addresses()[0] as string
    const dialled = await Promise.allSettled(nodes.map((node) => node.dial(address)))
    expect(dialled.filter(({ status }) => status === 'rejected')).toEqual([])
    await eventually(() => centre.peers().length === 30)
    centre.handle('/askee/test/x/1', LIMITS, async ({ body }) => body)
    const asked = nodes.map((node) => node.request(centre.self, '/askee/test/x/1', utf8('x')))
    expect(await Promise.all(asked)).toHaveLength(30)
  })
})

describe('the file of remembered peers', () => {
  it('NET-4 is readable by its owner alone and written whole', async () => {
    const directory = await folder()
    const memory = new PeerMemory(
      memoryIn(directory),
      new KnownPeers(strangerId()),
      systemRandom,
      silentLogger,
    )
    const store = new MemoryDatastore()
    store.put(new Key('/peers/one'), utf8('1'))
    store.put(new Key('/dht/record/x'), utf8('not this'))
    await memory.save(store, [[utf8('key'), utf8('record')]])
    expect((await stat(join(directory, 'mesh.sealed'))).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['mesh.sealed'])
    const again = new MemoryDatastore()
    expect(await memory.load(again)).toEqual([[utf8('key'), utf8('record')]])
    expect(again.has(new Key('/peers/one'))).toBe(true)
    expect(again.has(new Key('/dht/record/x'))).toBe(false)
  })

  it('NET-4 is set aside when it cannot be read, and the node starts', async () => {
    const directory = await folder()
    await writeFile(join(directory, 'mesh.sealed'), 'garbage')
    await started({ memory: memoryIn(directory) })
    expect(await readFile(join(directory, 'mesh.sealed.broken'), 'utf8')).toBe('garbage')
  })

  it('NET-4 starts with what an earlier version wrote of a peer about whom strangers made up too much', async () => {
    const directory = await folder()
    const [swollen, honest] = [1, 2].map(() => entryOf(peerIdFromString(strangerId())))
    const file = (sizes: readonly (readonly [string | undefined, number])[]) => {
      const peers = sizes.map(([entry, bytes]) => [entry, new Uint8Array(bytes)])
      return encode({ version: 1, peers, merits: [{ entry: swollen, kept: true, reached: 1 }], records: [] })
    }
    const { sealing } = memoryIn(directory)
    const path = join(directory, 'mesh.sealed')
    const most = MAX_PEER_ENTRY_BYTES
    await writeFile(
      path,
      sealing.seal(
        'mesh.sealed',
        file([
          [swollen, most + 1],
          [honest, most],
        ]),
      ),
    )
    const self = strangerId()
    const known = new KnownPeers(self)
    const store = new GuardedDatastore(systemClock, self, known)
    await new PeerMemory(memoryIn(directory), known, systemRandom, silentLogger).load(store)
    expect([...store._allKeys()].map(String)).toEqual([honest])
    await writeFile(path, sealing.seal('mesh.sealed', file([[swollen, most + 1]])))
    expect((await started({ memory: memoryIn(directory) })).addresses()).toHaveLength(1)
  })

  it('STO-1 shows neither peers, nor records, nor ports, and takes none that was changed or is of another node', async () => {
    const directory = await folder()
    const peer = await started()
    const first = await started({ memory: memoryIn(directory) })
    await peer.dial(first.addresses()[0] as string)
    await eventually(async () => (await first.closestPeers(utf8('x'), 5)).length === 1)
    const record = { namespace: 'test', name: 'r', value: utf8('what I say'), sequence: 3 }
    await first.putRecord({ ...record, expires: Date.now() + 1e6 }, { quorum: 1 })
    await first.stop()
    expect((await readdir(directory)).sort()).toEqual(['mesh.sealed', 'ports.sealed'])
    const secrets = [
      Buffer.from(peerIdFromString(peer.self).toMultihash().bytes),
      peer.self,
      'what I say',
      '/peers/',
      'ip4',
    ]
    for (const name of await readdir(directory)) {
      const bytes = await readFile(join(directory, name))
      for (const secret of secrets) expect(bytes.includes(secret)).toBe(false)
    }
    const good = await readFile(join(directory, 'mesh.sealed'))
    const held = async (key?: number) => {
      const memory = new PeerMemory(
        memoryIn(directory, key),
        new KnownPeers(first.self),
        systemRandom,
        silentLogger,
      )
      return (await memory.load(new MemoryDatastore())).length
    }
    expect(await held()).toBe(1)
    expect(await held(8)).toBe(0)
    for (const at of [0, 20, 40, 60, good.byteLength - 1]) {
      const bad = Buffer.from(good)
      bad[at]! ^= 1
      await writeFile(join(directory, 'mesh.sealed'), bad)
      expect(await held(), `byte ${at}`).toBe(0)
    }
    await writeFile(join(directory, 'mesh.sealed'), await readFile(join(directory, 'ports.sealed')))
    expect(await held()).toBe(0)
  })

  it('STO-1 leaves nothing of what an earlier version kept in clear, nor of what a crash left half written', async () => {
    const directory = await folder()
    const half = `mesh.sealed.${'0'.repeat(12)}`
    for (const name of ['mesh.cbor', 'mesh.cbor.broken', 'ports.json', 'ports.json.0a0b0c', half, 'other'])
      await writeFile(join(directory, name), 'clear')
    await (await started({ memory: memoryIn(directory) })).stop()
    expect((await readdir(directory)).sort()).toEqual(['mesh.sealed', 'other', 'ports.sealed'])
  })

  it('NET-4 keeps honest peers through a flood of strangers, in memory and on disk', async () => {
    const self = strangerId()
    const known = new KnownPeers(self)
    const store = new GuardedDatastore(systemClock, self, known)
    const entry = () => new Key(entryOf(peerIdFromString(strangerId())))
    const [keptPeer, oldPeer, newPeer] = [1, 2, 3].map(() => peerIdFromString(strangerId()))
    const honest = [peerIdFromString(self), keptPeer!, oldPeer!, newPeer!].map(
      (peer) => new Key(entryOf(peer)),
    )
    for (const key of honest) store.put(key, utf8('honest'))
    known.keep(keptPeer!)
    known.reached(oldPeer!, 1000)
    known.reached(newPeer!, 2000)
    const flood = Array.from({ length: MAX_REMEMBERED_PEERS + 500 }, entry)
    for (const key of flood) store.put(key, utf8('flood'))
    const held = () => [...store._allKeys()].length
    expect(held()).toBe(MAX_REMEMBERED_PEERS + 1)
    expect(honest.map((key) => store.has(key))).toEqual([true, true, true, true])
    expect(store.has(flood.at(-1) as Key)).toBe(true)
    const directory = await folder()
    await new PeerMemory(memoryIn(directory), known, systemRandom, silentLogger).save(store, [])
    const knownAgain = new KnownPeers(self)
    const again = new GuardedDatastore(systemClock, self, knownAgain)
    await new PeerMemory(memoryIn(directory), knownAgain, systemRandom, silentLogger).load(again)
    expect(honest.map((key) => again.has(key))).toEqual([true, true, true, true])
    expect(knownAgain.entries().kept).toEqual([entryOf(keptPeer!)])
    expect(knownAgain.entries().reached).toEqual([entryOf(oldPeer!), entryOf(newPeer!)])
    // When all others have merits too, who was reached longest ago gives way first.
    for (const heardOf of knownAgain.entries().heardOf) knownAgain.reached(peerOf(heardOf), 3000)
    again.put(entry(), utf8('one more'))
    expect(honest.map((key) => again.has(key))).toEqual([true, true, false, true])
  })

  it('NET-4 can be read again whatever strangers made up: own records and known peers go first', async () => {
    const self = strangerId()
    const known = new KnownPeers(self)
    const store = new MemoryDatastore()
    let names = 0
    const put = (bytes: number, merit = { kept: false, reached: 0 }) => {
      const key = new Key(`/peers/${String(names++).padStart(60, 'b')}`)
      known.add(key.toString())
      known.restore(key.toString(), merit)
      store.put(key, new Uint8Array(bytes).fill(7))
      return key
    }
    const heardOf = Array.from({ length: MAX_REMEMBERED_PEERS - 4 }, (_, i) =>
      put(i % 2 === 0 ? 60_000 : 16_000),
    )
    const honest = [
      put(16_000, { kept: true, reached: 0 }),
      put(16_000, { kept: false, reached: 2000 }),
      put(16_000, { kept: false, reached: 1000 }),
    ]
    // As many as a person who revokes for years has, and more than there is room for.
    const records = Array.from(
      { length: 4000 },
      (_, i) => [utf8(`/askee/r/${i}`), new Uint8Array(8000).fill(i)] as const,
    )
    const directory = await folder()
    await new PeerMemory(memoryIn(directory), known, systemRandom, silentLogger).save(store, records)
    const { size } = await stat(join(directory, 'mesh.sealed'))
    expect(size).toBeLessThan(MAX_PEER_MEMORY_BYTES)
    const again = new MemoryDatastore()
    const knownAgain = new KnownPeers(self)
    const held = await new PeerMemory(memoryIn(directory), knownAgain, systemRandom, silentLogger).load(again)
    expect(held.length).toBeGreaterThan(2500)
    expect(held.at(-1)?.[0]).toEqual(records.at(-1)?.[0])
    expect(honest.map((key) => again.has(key))).toEqual([true, true, true])
    expect(heardOf.filter((key) => again.has(key)).length).toBeGreaterThan(900)
    expect(await readdir(directory)).toEqual(['mesh.sealed'])
  }, 60_000)
})
