import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AuditEvent,
  errorCode,
  type Mesh,
  systemRandom as random,
  silentLogger,
  utf8,
} from '@askee/core'
import { createMemoryMeshNetwork, eventually, VirtualTime } from '@askee/core/testing'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createIdentity,
  createKeyExchange,
  createKeyRing,
  createPeerKeys,
  type Identity,
  KEYS_TOPIC,
  type KeyExchange,
  type KeyRing,
  type KeyStore,
  keyTopics,
  openKeyStore,
  openSoftwareDeviceKey,
  type PeerKeys,
  verifySignature,
} from '../src/index.ts'

const HOUR = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'askee-key-ring-'))
afterAll(() => rmSync(folder, { recursive: true }))

let homes = 0
async function keyStore(): Promise<{ store: KeyStore; directory: string }> {
  const directory = join(folder, `${homes++}`)
  const deviceKey = await openSoftwareDeviceKey({ path: `${directory}.key`, random })
  return { store: await openKeyStore({ directory, deviceKey, random }), directory }
}

interface Node {
  readonly identity: Identity
  readonly mesh: Mesh
  readonly ring: KeyRing
  readonly peerKeys: PeerKeys
  readonly exchange: KeyExchange
  readonly store: KeyStore
  readonly directory: string
  readonly acts: AuditEvent[]
}

async function node(time: VirtualTime, network: ReturnType<typeof createMemoryMeshNetwork>): Promise<Node> {
  const identity = createIdentity(random)
  const { store, directory } = await keyStore()
  const mesh = network.node(identity.id, { topics: keyTopics(time) })
  const peerKeys = createPeerKeys(time)
  const acts: AuditEvent[] = []
  const exchange: KeyExchange = createKeyExchange({
    mesh,
    peerKeys,
    documents: () => ring.documents(),
    logger: silentLogger,
  })
  const ring: KeyRing = createKeyRing({
    identity,
    store,
    clock: time,
    timers: time,
    random,
    logger: silentLogger,
    announcer: exchange,
    audit: {
      append: async (act) => {
        acts.push(act)
        return { index: acts.length - 1, leaf: '' }
      },
    },
  })
  await mesh.start()
  await exchange.start()
  await ring.start()
  return { identity, mesh, ring, peerKeys, exchange, store, directory, acts }
}

async function nodes(
  count: number,
): Promise<{ time: VirtualTime; all: Node[]; network: ReturnType<typeof createMemoryMeshNetwork> }> {
  const time = new VirtualTime()
  const network = createMemoryMeshNetwork({ timers: time, clock: time })
  const all: Node[] = []
  for (let i = 0; i < count; i++) all.push(await node(time, network))
  return { time, all, network }
}

async function codeOf(promise: Promise<unknown> | (() => unknown)): Promise<string | undefined> {
  try {
    await (typeof promise === 'function' ? promise() : promise)
    return 'resolved'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

function activeKid(ring: KeyRing): string {
  return ring.keys().find(({ use, state }) => use === 'sealing' && state === 'active')?.kid as string
}

describe('the keys of a node', () => {
  it('KEY-1 are made once, kept over a restart, and never in clear on disk', async () => {
    const { time, all } = await nodes(1)
    const [{ ring, store, identity, directory, exchange }] = all as [Node]
    const kids = ring.keys().map(({ kid }) => kid)
    expect(ring.keys().map(({ use, state }) => `${use} ${state}`)).toEqual([
      'sealing active',
      'sealing-inner active',
      'audit active',
      'status active',
    ])
    await ring.stop()
    const again = createKeyRing({
      identity,
      store,
      clock: time,
      timers: time,
      random,
      logger: silentLogger,
      announcer: exchange,
    })
    await again.start()
    expect(again.keys().map(({ kid }) => kid)).toEqual(kids)
    const disk = Buffer.concat(readdirSync(directory).map((file) => readFileSync(join(directory, file))))
    for (const { publicKey, kid } of again.keys()) {
      expect(disk.includes(Buffer.from(publicKey))).toBe(false)
      const seed = await store.read(`${again.keys().find((key) => key.kid === kid)?.use}.${kid}`)
      expect(disk.includes(Buffer.from(seed as Uint8Array))).toBe(false)
    }
    await again.stop()
  })

  it('KEY-1 rotate daily by themselves: the old secret goes when its grace is over', async () => {
    const { time, all } = await nodes(1)
    const [{ ring, store }] = all as [Node]
    const first = activeKid(ring)
    await time.advance(25 * HOUR)
    await eventually(() => activeKid(ring) !== first)
    await ring.keyPair('sealing', first)
    await time.advance(22 * HOUR)
    await ring.keyPair('sealing', first)
    await time.advance(2 * HOUR)
    await eventually(async () => (await codeOf(ring.keyPair('sealing', first))) === 'keys/key-expired')
    await eventually(async () => (await store.read(`sealing.${first}`)) === undefined)
    expect(await codeOf(ring.keyPair('sealing', 'unknown'))).toBe('keys/unknown-key')
    await ring.stop()
  })

  it('KEY-1 sign for audit and status with keys of their own', async () => {
    const { all } = await nodes(1)
    const [{ ring, identity }] = all as [Node]
    const message = utf8('a checkpoint')
    const { kid, signature } = await ring.sign('audit', message)
    const key = ring.keys().find((one) => one.kid === kid)
    expect(key?.use).toBe('audit')
    expect(verifySignature(key?.publicKey as Uint8Array, message, signature)).toBe(true)
    expect(verifySignature(identity.publicKey, message, signature)).toBe(false)
    await ring.stop()
  })

  it('KEY-1 reach others by gossip, or when asked', async () => {
    const { all } = await nodes(3)
    const [a, b, c] = all as [Node, Node, Node]
    // c came last: nobody's first announcement reached it.
    expect(await codeOf(() => c.peerKeys.current(a.identity.id, 'sealing'))).toBe('keys/no-peer-key')
    expect((await c.exchange.current(a.identity.id, 'sealing')).kid).toBe(activeKid(a.ring))
    await a.ring.rotate('sealing')
    for (const one of [b, c]) {
      await eventually(() => one.peerKeys.current(a.identity.id, 'sealing').kid === activeKid(a.ring))
    }
    for (const one of all) await one.ring.stop()
  })

  it('KEY-1 in an emergency are void everywhere at once, and gone from the disk', async () => {
    const { all } = await nodes(3)
    const [a, b, c] = all as [Node, Node, Node]
    const old = activeKid(a.ring)
    for (const one of [b, c]) await one.exchange.current(a.identity.id, 'sealing')
    await a.ring.emergency('compromised')
    expect(await codeOf(a.ring.keyPair('sealing', old))).toBe('keys/key-revoked')
    expect(await a.store.read(`sealing.${old}`)).toBeUndefined()
    const now = activeKid(a.ring)
    expect(now).not.toBe(old)
    for (const one of [b, c]) {
      await eventually(() => one.peerKeys.current(a.identity.id, 'sealing').kid === now)
    }
    expect(a.acts.filter(({ action }) => action === 'key.revoked')).toHaveLength(4)
    expect(JSON.stringify(a.acts)).not.toContain('publicKey')
    for (const one of all) await one.ring.stop()
  })

  it('KEY-1 are told as void again to those who were away, within the hour', async () => {
    const { time, all, network } = await nodes(2)
    const [a, b] = all as [Node, Node]
    const old = (await b.exchange.current(a.identity.id, 'sealing')).kid
    network.partition([a.identity.id], [b.identity.id])
    await a.ring.emergency('lost', ['sealing'])
    expect(b.peerKeys.current(a.identity.id, 'sealing').kid).toBe(old)
    network.heal()
    await time.advance(HOUR)
    await eventually(
      async () => (await codeOf(() => b.peerKeys.current(a.identity.id, 'sealing'))) === 'keys/revoked',
    )
    expect((await b.exchange.current(a.identity.id, 'sealing')).kid).toBe(activeKid(a.ring))
    for (const one of all) await one.ring.stop()
  })

  it('KEY-1 of a void identity are refused by all', async () => {
    const { all } = await nodes(2)
    const [a, b] = all as [Node, Node]
    await b.exchange.current(a.identity.id, 'sealing')
    await a.ring.revokeIdentity('compromised')
    await eventually(
      async () => (await codeOf(() => b.peerKeys.assertIdentity(a.identity.id))) === 'keys/identity-revoked',
    )
    expect(await codeOf(b.exchange.current(a.identity.id, 'sealing'))).toBe('keys/identity-revoked')
    await a.ring.stop()
    await a.ring.start()
    expect(a.ring.documents().revocations, 'and it is told again after a restart').toHaveLength(1)
    for (const one of all) await one.ring.stop()
  })

  it('KEY-1 in an emergency go even when nothing can be written down, and what failed is done with the next tick', async () => {
    const time = new VirtualTime()
    const { store } = await keyStore()
    const told: string[] = []
    const broken = { audit: false, store: false }
    const fail = (): never => {
      throw new Error('the disk is full')
    }
    const ring = createKeyRing({
      identity: createIdentity(random),
      clock: time,
      timers: time,
      random,
      logger: silentLogger,
      store: { ...store, replace: (name, bytes) => (broken.store ? fail() : store.replace(name, bytes)) },
      announcer: { announce: async (kind) => void told.push(kind) },
      audit: { append: async () => (broken.audit ? fail() : { index: 0, leaf: '' }) },
    })
    await ring.start()
    const old = ring.keys().map(({ use, kid }) => `${use}.${kid}`)
    broken.audit = true
    await expect(ring.emergency('compromised')).rejects.toThrow('full')
    expect((await store.names()).filter((name) => old.includes(name))).toEqual([])
    expect(told.filter((kind) => kind === 'revocation')).toHaveLength(4)
    expect(ring.keys().filter(({ state }) => state === 'active')).toHaveLength(4)

    broken.audit = false
    broken.store = true
    await expect(ring.emergency('lost', ['sealing'])).rejects.toThrow('full')
    expect(ring.keys().filter(({ use, state }) => use === 'sealing' && state === 'active')).toEqual([])
    broken.store = false
    await time.advance(60_000)
    await eventually(() => activeKid(ring) !== undefined)
    await ring.keyPair('sealing', activeKid(ring))
    await ring.stop()
  })

  it('KEY-1 that lost their secret are void at the next start, and others turn to the new ones', async () => {
    const { time, all } = await nodes(2)
    const [a, b] = all as [Node, Node]
    const old = (await b.exchange.current(a.identity.id, 'sealing')).kid
    await a.ring.stop()
    await a.store.destroy(`sealing.${old}`)
    await time.advance(1000)
    await a.ring.start()
    expect(activeKid(a.ring)).not.toBe(old)
    expect(await codeOf(a.ring.keyPair('sealing', old))).toBe('keys/key-revoked')
    await eventually(() => b.peerKeys.current(a.identity.id, 'sealing').kid === activeKid(a.ring))
    for (const one of all) await one.ring.stop()
  })

  it('KEY-1 whose chain was lost begin anew: secrets without a key are destroyed, and others turn to the new ones', async () => {
    const { time, all } = await nodes(2)
    const [a, b] = all as [Node, Node]
    await a.ring.rotate('sealing')
    const old = (await b.exchange.current(a.identity.id, 'sealing')).kid
    await a.ring.stop()
    await a.store.destroy('chain.sealing')
    await time.advance(1000)
    await a.ring.start()
    expect(await a.store.read(`sealing.${old}`)).toBeUndefined()
    expect((await a.store.names()).filter((name) => name.startsWith('sealing.'))).toEqual([
      `sealing.${activeKid(a.ring)}`,
    ])
    await eventually(() => b.peerKeys.current(a.identity.id, 'sealing').kid === activeKid(a.ring))
    for (const one of all) await one.ring.stop()
  })

  it('NET-3 the topic rejects what its author did not sign, and what is no key document', async () => {
    const time = new VirtualTime()
    const rules = keyTopics(time).get(KEYS_TOPIC)
    const { all } = await nodes(1)
    const [a] = all as [Node]
    const { encodeAnnouncement } = await import('../src/hierarchy/topic.ts')
    const own = encodeAnnouncement('bundle', a.ring.documents().bundles[0] as Uint8Array)
    const verdict = async (from: Identity['id'], body: Uint8Array): Promise<unknown> =>
      rules?.validate({ from, body })
    expect(await verdict(a.identity.id, own)).toBe('accept')
    expect(await verdict(createIdentity(random).id, own)).toBe('reject')
    expect(await verdict(a.identity.id, utf8('hello'))).toBe('reject')
    const mislabelled = encodeAnnouncement('revocation', a.ring.documents().bundles[0] as Uint8Array)
    expect(await verdict(a.identity.id, mislabelled)).toBe('reject')
    await time.advance(48 * HOUR)
    expect(await verdict(a.identity.id, own)).toBe('ignore')
    await a.ring.stop()
  })
})
