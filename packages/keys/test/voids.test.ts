import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, errorCode, type NodeId, systemRandom as random, silentLogger } from '@askee/core'
import { eventually, VirtualTime } from '@askee/core/testing'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createIdentity,
  createPeerKeys,
  createVoidBook,
  createVoidMemory,
  type KeyStore,
  openKeyStore,
  openSoftwareDeviceKey,
  signAdoption,
  signIdentityVoid,
  signKeyRevocation,
  verifyIdentityVoid,
} from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-voids-'))
afterAll(() => rmSync(folder, { recursive: true }))

const HOUR = 3_600_000
const NOW = 1_790_000_000_000
/** Longer than the memory of voids waits between two writes. */
const PAUSE = 11_000
const root = createIdentity(random)

let homes = 0
/** A store that takes nothing while the disk is full. */
function onDisk(store: KeyStore, disk: { readonly isFull: boolean }): KeyStore {
  return {
    ...store,
    replace: async (name, bytes) => {
      if (disk.isFull) throw new Error('no space left')
      await store.replace(name, bytes)
    },
  }
}

async function newStore(): Promise<KeyStore> {
  const name = join(folder, `${homes++}`)
  const deviceKey = await openSoftwareDeviceKey({ path: `${name}.key`, random })
  return openKeyStore({ directory: name, deviceKey, random })
}

/** A void of somebody new, by a root of its own or the one given. */
function newVoid(by = root, at = NOW): { readonly node: NodeId; readonly document: Uint8Array } {
  const lost = createIdentity(random)
  return {
    node: lost.id,
    document: signIdentityVoid(by, signAdoption(lost, by.id, at), { at, reason: 'lost' }),
  }
}

const refusal = (work: () => unknown): string => {
  try {
    work()
    return 'none'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

describe('void identities', () => {
  const open = async (store: KeyStore, time: VirtualTime, isKnown: (id: NodeId) => boolean = () => false) => {
    const peerKeys = createPeerKeys(time, 100, isKnown)
    const memory = createVoidMemory({ store, peerKeys, timers: time, logger: silentLogger })
    await memory.start()
    return {
      peerKeys,
      memory,
      isVoid: (node: NodeId) => refusal(() => peerKeys.assertIdentity(node)) === 'keys/identity-revoked',
    }
  }

  it('KEY-1 of strangers, however many, displace none of a known node, of the own root or told here', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const [requester, ownRoot] = [createIdentity(random), createIdentity(random)]
    const first = await open(store, time, (id) => id === requester.id || id === ownRoot.id)
    const [owned, told, stranger] = [newVoid(ownRoot), newVoid(), newVoid()]
    const ended = {
      use: 'signing',
      sequence: 0,
      kids: [] as string[],
      until: NOW,
      reason: 'compromised',
      revokedAt: NOW,
    } as const
    first.peerKeys.acceptRevocation(signKeyRevocation(requester, ended))
    first.peerKeys.acceptVoid(owned.document)
    first.peerKeys.acceptVoid(told.document, 'person')
    first.peerKeys.acceptVoid(stranger.document)
    for (let i = 0; i < 101; i++) first.peerKeys.acceptVoid(newVoid().document)
    const mine = [requester.id, owned.node, told.node]
    expect(mine.map(first.isVoid)).toEqual([true, true, true])
    expect(first.isVoid(stranger.node)).toBe(false)
    await first.memory.stop()
    // Also when nobody is known any more.
    const again = await open(store, time)
    expect(mine.map(again.isVoid)).toEqual([true, true, true])
    expect(again.peerKeys.voids.list('known')).toHaveLength(3)
    expect(again.peerKeys.voids.list('strangers')).toHaveLength(100)
    await again.memory.stop()
  })

  it('KEY-1 of nodes that this one had to do with, however many, displace none that was told here', async () => {
    const { peerKeys } = await open(await newStore(), new VirtualTime(NOW), () => true)
    const [strange, told] = [newVoid(), newVoid()]
    const flood = (name: string): void =>
      peerKeys.recallVoid(Array.from({ length: 1001 }, (_, i) => `${name} ${i}` as NodeId))
    const isVoid = (node: NodeId): boolean => peerKeys.voids.has(node)
    peerKeys.recallVoid([strange.node], 'strangers')
    // Told of one that was heard of before, too.
    for (const { document } of [strange, told]) peerKeys.acceptVoid(document, 'person')
    flood('worker')
    expect([strange.node, told.node].map(isVoid)).toEqual([true, true])
    // The last 32, as in the book; what was told before those has its turn among the others.
    for (let i = 0; i < 30; i++) peerKeys.acceptVoid(newVoid().document, 'person')
    peerKeys.acceptVoid(strange.document, 'person')
    peerKeys.acceptVoid(newVoid().document, 'person')
    flood('other')
    expect([strange.node, told.node].map(isVoid)).toEqual([true, false])
    expect(peerKeys.voids.list('known')).toHaveLength(1000)
  })

  it('STO-2 are on disk at once, whenever the process is killed; a flood of strangers costs a write in ten seconds', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const writes: string[] = []
    const counted: KeyStore = {
      ...store,
      replace: async (name, bytes) => {
        await store.replace(name, bytes)
        writes.push(name)
      },
    }
    const friend = createIdentity(random)
    const { peerKeys } = await open(counted, time, (id) => id === friend.id)
    const [one, two, known] = [newVoid(), newVoid(), newVoid(friend)]
    /** What another process finds: nothing is stopped, and no time passes. */
    const found = async () => (await open(store, time)).isVoid

    peerKeys.acceptVoid(one.document)
    await eventually(async () => (await found())(one.node))
    for (let i = 0; i < 20; i++) peerKeys.acceptVoid(newVoid().document)
    peerKeys.acceptVoid(two.document)
    peerKeys.acceptVoid(known.document)
    await eventually(async () => (await found())(known.node))
    expect(writes).toEqual(['void-nodes', 'void-known'])
    await time.advance(PAUSE)
    await eventually(async () => (await found())(two.node))
    expect(writes).toEqual(['void-nodes', 'void-known', 'void-nodes'])
  })

  it('STO-2 are written when the disk has room again', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const disk = { isFull: true }
    const full = onDisk(store, disk)
    const friend = createIdentity(random)
    const { peerKeys, memory } = await open(full, time, (id) => id === friend.id)
    const { node, document } = newVoid(friend)
    peerKeys.acceptVoid(document)
    await time.advance(PAUSE)
    disk.isFull = false
    await time.advance(PAUSE)
    await eventually(async () => (await open(store, time)).isVoid(node))
    await memory.stop()
  })

  it('STO-2 of strangers that turned out to be known are on disk as such before they leave the others', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const before = await open(store, time)
    const { node, document } = newVoid()
    before.peerKeys.acceptVoid(document)
    await before.memory.stop()
    const now = await open(store, time, (id) => id === node)
    expect(now.peerKeys.voids.tierOf(node)).toBe('known')
    now.peerKeys.acceptVoid(newVoid().document)
    await now.memory.stop()
    expect((await open(store, time)).isVoid(node)).toBe(true)
  })
})

describe('void identities where there is no room for more known ones', () => {
  it('STO-2 move up from the strangers on disk too, and leave their file only when that is written', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const known = new Set<NodeId>()
    let isFull = false
    const full: KeyStore = {
      ...store,
      replace: async (name, bytes) => {
        if (isFull && name === 'void-known') throw new Error('no space left')
        await store.replace(name, bytes)
      },
    }
    const open = async (to: KeyStore) => {
      const peerKeys = createPeerKeys(time, 100, (id) => known.has(id))
      const memory = createVoidMemory({ store: to, peerKeys, timers: time, logger: silentLogger })
      await memory.start()
      return { peerKeys, memory }
    }
    const before = await open(full)
    for (let i = 0; i < 1000; i++) known.add(createIdentity(random).id)
    before.peerKeys.recallVoid(known, 'known')
    const moved = newVoid()
    before.peerKeys.acceptVoid(moved.document)
    await before.memory.stop()

    const { peerKeys, memory } = await open(full)
    expect(peerKeys.voids.list('known')).toHaveLength(1000)
    isFull = true
    peerKeys.acceptVoid(newVoid().document)
    peerKeys.acceptVoid(moved.document, 'person')
    peerKeys.acceptVoid(newVoid().document)
    expect(peerKeys.voids.tierOf(moved.node)).toBe('known')
    await time.advance(PAUSE)
    // What another process finds, as after a crash.
    expect((await open(store)).peerKeys.voids.tierOf(moved.node)).toBe('strangers')
    isFull = false
    await memory.stop()
    expect((await open(store)).peerKeys.voids.tierOf(moved.node)).toBe('known')
  })
})

describe('a book of voids', () => {
  const open = async (store: KeyStore, time: VirtualTime, log = { isFull: false }) => {
    const told: NodeId[] = []
    const acts: AuditEvent[] = []
    const peerKeys = createPeerKeys(time)
    const book = createVoidBook({
      store,
      peerKeys,
      announcer: { announce: async (_, document) => void told.push(verifyIdentityVoid(document).node) },
      audit: {
        append: async (act) => {
          if (log.isFull) throw new Error('no space left')
          return { index: acts.push(act) - 1, leaf: '' }
        },
      },
      timers: time,
      random,
      logger: silentLogger,
    })
    await book.start()
    return { book, peerKeys, told, acts }
  }

  it('KEY-1 tells each of them once an hour, no faster than the mesh takes them, and after short runs too', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const first = await open(store, time)
    const voids = Array.from({ length: 33 }, () => newVoid())
    for (const { document } of voids) await first.book.publish(document)
    await first.book.stop()
    const kept = new Set(voids.slice(1).map(({ node }) => node))

    const long = await open(store, time)
    expect(long.told.length).toBe(8)
    for (let minute = 0; minute < 60; minute++) {
      const before = long.told.length
      await time.advance(60_000)
      expect(long.told.length - before).toBeLessThanOrEqual(1)
    }
    expect(new Set(long.told)).toEqual(kept)
    expect(long.told.length).toBeLessThanOrEqual(8 + 32)
    await long.book.stop()

    const told = new Set<NodeId>()
    for (let run = 0; run < 200 && told.size < kept.size; run++) {
      const short = await open(store, time)
      for (const node of short.told) told.add(node)
      await short.book.stop()
    }
    expect(told).toEqual(kept)
  })

  it('KEY-1 holds each of them as void after a restart, whatever came before that was known', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const first = await open(store, time)
    const { node, document } = newVoid()
    await first.book.publish(document)
    await first.book.stop()
    const { book, peerKeys } = await open(store, time)
    peerKeys.recallVoid(
      Array.from({ length: 1001 }, (_, i) => `worker ${i}` as NodeId),
      'known',
    )
    expect(refusal(() => peerKeys.assertIdentity(node))).toBe('keys/identity-revoked')
    await book.stop()
  })

  it('KEY-1 has one place for a node, however often it is declared void', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const { book } = await open(store, time)
    const lost = createIdentity(random)
    const adoption = signAdoption(lost, root.id, NOW)
    const first = newVoid()
    await book.publish(first.document)
    for (let i = 0; i < 40; i++) {
      await book.publish(signIdentityVoid(root, adoption, { at: NOW - i, reason: 'lost' }))
    }
    await book.stop()
    const again = await open(store, time)
    expect([...again.told].sort()).toEqual([first.node, lost.id].sort())
    await again.book.stop()
  })

  it('STO-2 tells of a void that a full disk did not take, and acknowledges it only once it is written', async () => {
    const time = new VirtualTime(NOW)
    const store = await newStore()
    const disk = { isFull: true }
    const full = onDisk(store, disk)
    const log = { isFull: false }
    const { book, peerKeys, told, acts } = await open(full, time, log)
    const [first, second] = [newVoid(), newVoid()]
    await expect(book.publish(first.document)).rejects.toMatchObject({
      code: 'keys/not-written',
      message: expect.stringMatching(/is void here and the mesh was told.*no space left.*Free some/),
      details: { node: first.node },
    })
    expect(told).toEqual([first.node])
    expect(refusal(() => peerKeys.assertIdentity(first.node))).toBe('keys/identity-revoked')
    // Not said to be kept when it is given again, either.
    await expect(book.publish(first.document)).rejects.toThrow('space')
    disk.isFull = false
    await book.publish(first.document)
    disk.isFull = true
    await expect(book.publish(second.document)).rejects.toThrow('space')
    disk.isFull = false
    log.isFull = true
    const written = () => acts.map(({ action, content }) => [action, content.node])
    expect(written()).toEqual([['key.identity-voided', first.node]])
    // Nobody asks again.
    await time.advance(HOUR)
    expect(acts).toHaveLength(1)
    log.isFull = false
    await time.advance(HOUR)
    await eventually(() => expect(acts).toHaveLength(2))
    expect(written()[1]).toEqual(['key.identity-voided', second.node])
    await time.advance(HOUR)
    await book.stop()
    expect(acts).toHaveLength(2)
    const again = await open(store, time)
    expect([...again.told].sort()).toEqual([first.node, second.node].sort())
    await again.book.stop()
  })

  it('KEY-1 tells one void once an hour', async () => {
    const time = new VirtualTime(NOW)
    const { book, told } = await open(await newStore(), time)
    const { node, document } = newVoid()
    await book.publish(document)
    expect(told).toEqual([node])
    await time.advance(HOUR)
    expect(told).toEqual([node, node])
    await book.stop()
  })

  it('KEY-1 holds and tells what it took before the clock was set back; who hears of it then takes it when it is right', async () => {
    const store = await newStore()
    const first = await open(store, new VirtualTime(NOW))
    const { node, document } = newVoid()
    await first.book.publish(document)
    await first.book.stop()

    const behind = new VirtualTime(NOW - 24 * HOUR)
    const { book, peerKeys, told } = await open(store, behind)
    expect(refusal(() => peerKeys.assertIdentity(node))).toBe('keys/identity-revoked')
    await behind.advance(HOUR)
    expect(told).toContain(node)
    // One that comes only now is of the future as far as this node knows; nothing else is hurt by it.
    const other = newVoid()
    expect(refusal(() => peerKeys.acceptVoid(other.document))).toBe('keys/revocation-forged')
    await expect(book.publish(other.document)).rejects.toThrow('clock')
    expect(refusal(() => peerKeys.assertIdentity(other.node))).toBe('none')
    await behind.advance(24 * HOUR)
    expect(peerKeys.acceptVoid(other.document)).toBe(true)
    expect(refusal(() => peerKeys.assertIdentity(other.node))).toBe('keys/identity-revoked')
    await book.stop()
  })
})
