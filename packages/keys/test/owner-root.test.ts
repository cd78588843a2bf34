import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode, errorCode, systemRandom as random, silentLogger } from '@askee/core'
import { createMemoryMeshNetwork, eventually, VirtualTime } from '@askee/core/testing'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  certifyNode,
  combineOwnerRoot,
  createIdentity,
  createKeyExchange,
  createOwnerRoot,
  createPeerKeys,
  createVoidBook,
  createVoidMemory,
  type Identity,
  KEYS_TOPIC,
  keyTopics,
  openKeyStore,
  openSoftwareDeviceKey,
  signAdoption,
  signIdentityVoid,
  verifyAdoption,
  verifyCertifiedNode,
  verifyIdentityVoid,
} from '../src/index.ts'
import { fromBase32, toBase32 } from '../src/owner-root/base32.ts'
import { madeUp } from './support/made-up-share.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-owner-root-'))
afterAll(() => rmSync(folder, { recursive: true }))

const HOUR = 3_600_000
const NOW = 1_790_000_000_000
const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
    return 'none'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

describe("an owner's root in shares", () => {
  it('KEY-1 any three of five shares give it back, in any order, as people type them', async () => {
    const { root, shares } = await createOwnerRoot({ total: 5, threshold: 3 }, random)
    const typed = [
      (share: string) => share.toLowerCase(),
      (share: string) => share.replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l'),
      (share: string) => ` ${share.replaceAll('-', '')}\n`,
    ]
    for (const picked of [
      [0, 1, 2],
      [4, 2, 0],
      [1, 3, 4],
      [0, 1, 2, 3, 4],
      [0, 0, 3, 4],
    ]) {
      const given = picked.map((i, at) => typed[at % typed.length]!(shares[i] as string))
      const again = await combineOwnerRoot(given)
      expect(again.wrong).toEqual([])
      expect(again.root.id).toBe(root.id)
      expect(again.root.exportSeed()).toEqual(root.exportSeed())
    }
  })

  it('KEY-1 too few shares, mixed up ones and made up ones are named as such', async () => {
    const { shares } = await createOwnerRoot({ total: 5, threshold: 3 }, random)
    const [a, b, c] = shares as [string, string, string]
    const other = await createOwnerRoot({ total: 5, threshold: 3 }, random)
    const code = (...given: string[]) => codeOf(() => combineOwnerRoot(given))
    expect(await code()).toBe('keys/shares-too-few')
    expect(await code(a, b)).toBe('keys/shares-too-few')
    expect(await code(a, b, a, b)).toBe('keys/shares-too-few')
    expect(await code(a, b, other.shares[2] as string)).toBe('keys/shares-mixed')
    // Of another splitting of the same root.
    expect(
      await code(
        a,
        b,
        madeUp(c, (body) => (body[4]! ^= 1)),
      ),
    ).toBe('keys/shares-mixed')
    for (const at of [16, 40, 56]) {
      expect(
        await code(
          a,
          b,
          madeUp(c, (body) => (body[at]! ^= 1)),
        ),
        `byte ${at}`,
      ).toBe('keys/shares-wrong')
    }
    // Shares of another secret under the names of this one.
    const renamed = other.shares.map((share) =>
      madeUp(share, (body) => Buffer.from(fromBase32(a) as Uint8Array).copy(body, 4, 4, 16)),
    )
    expect(await code(...renamed)).toBe('keys/shares-wrong')
  })

  it('KEY-1 shares beyond those needed make up for wrong ones, which are named', async () => {
    const { root, shares } = await createOwnerRoot({ total: 5, threshold: 3 }, random)
    // Each at another byte: the same error in two shares can cancel out.
    const bad = shares.map((share, i) => madeUp(share, (body) => (body[20 + i]! ^= 1)))
    const given = (...wrong: number[]): string[] =>
      shares.map((share, i) => (wrong.includes(i + 1) ? (bad[i] as string) : share))
    for (const wrong of [[], [1], [3], [5], [1, 2], [2, 4], [4, 5]]) {
      const found = await combineOwnerRoot(given(...wrong))
      expect([found.root.id, found.wrong]).toEqual([root.id, wrong])
    }
    expect(await codeOf(() => combineOwnerRoot(given(1, 2, 3)))).toBe('keys/shares-wrong')
    // Two of one number, whichever comes first.
    const [a, b, c] = shares as [string, string, string]
    const [badA] = bad as [string]
    expect(await combineOwnerRoot([badA, a, b, c])).toMatchObject({ wrong: [1] })
    expect(await combineOwnerRoot([a, b, c, badA, a])).toMatchObject({ wrong: [4] })
    expect(await codeOf(() => combineOwnerRoot([a, badA, b]))).toBe('keys/shares-too-few')
  })

  it('KEY-1 every mistyped, missing and added character of a share is found', async () => {
    const { shares } = await createOwnerRoot({ total: 3, threshold: 2 }, random)
    const [a, b] = shares as [string, string, string]
    const characters = a.replaceAll('-', '')
    for (let at = 0; at < characters.length; at++) {
      const wrong = characters[at] === 'X' ? 'Y' : 'X'
      const bad = [
        characters.slice(0, at) + wrong + characters.slice(at + 1),
        characters.slice(0, at) + characters.slice(at + 1),
        characters.slice(0, at) + wrong + characters.slice(at),
      ]
      for (const text of bad) {
        expect(await codeOf(() => combineOwnerRoot([b, text])), `at ${at}`).toBe('keys/share-damaged')
      }
    }
    for (const text of ['', 'U', '*', 'x'.repeat(10_000)]) {
      expect(await codeOf(() => combineOwnerRoot([b, text]))).toBe('keys/share-damaged')
    }
  })

  it('KEY-1 fewer shares than the threshold give no seed, whatever the numbers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 8 }), fc.nat(6), async (threshold, more) => {
        const { root, shares } = await createOwnerRoot({ total: threshold + more, threshold }, random)
        expect((await combineOwnerRoot(shares.slice(-threshold))).root.id).toBe(root.id)
        const few = shares
          .slice(0, threshold - 1)
          // With the threshold written smaller they are combined, and give nothing.
          .map((share) => madeUp(share, (body) => (body[3] = threshold - 1)))
        expect(await codeOf(() => combineOwnerRoot(few))).toBe('keys/shares-wrong')
      }),
      { numRuns: 20 },
    )
    for (const [total, threshold] of [
      [5, 1],
      [2, 3],
      [17, 3],
      [5, 2.5],
      [Number.NaN, 2],
    ] as const) {
      expect(await codeOf(() => createOwnerRoot({ total, threshold }, random))).toBe('keys/share-count')
    }
  })

  it('KEY-1 base 32 gives back any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(fromBase32(toBase32(bytes))).toEqual(bytes)
      }),
      { numRuns: 100 },
    )
  })
})

describe('what an owner root says', () => {
  const node = createIdentity(random)
  const root = createIdentity(random)
  const adoption = signAdoption(node, root.id, NOW)
  const lost = { at: NOW, reason: 'lost' } as const

  it('KEY-1 certifies a node and declares it void, with the right that the node gave it', () => {
    expect(verifyAdoption(adoption)).toEqual({ node: node.id, root: root.id })
    const certificate = certifyNode(root, node.id, NOW)
    expect(verifyCertifiedNode(certificate)).toEqual({ node: node.id, root: root.id, at: NOW })
    const document = signIdentityVoid(root, adoption, lost)
    expect(verifyIdentityVoid(document)).toEqual({ node: node.id, root: root.id, ...lost })
  })

  it('KEY-1 voids nobody who did not adopt it', async () => {
    const stranger = createIdentity(random)
    expect(await codeOf(() => signIdentityVoid(stranger, adoption, lost))).toBe('keys/not-adopted')
    // Signed all the same, with what is at hand.
    const { signDocument } = await import('../src/signed-document.ts')
    const forged = (signer: Identity, named: Identity, given: Uint8Array) =>
      signDocument(signer, 'askee/owner-root-void/1', { v: 1, node: named.id, adoption: given, ...lost })
    const other = signAdoption(stranger, root.id, NOW)
    const table: [Uint8Array, string][] = [
      [forged(stranger, node, adoption), 'keys/not-adopted'],
      [forged(root, node, other), 'keys/not-adopted'],
      [forged(stranger, node, signAdoption(stranger, stranger.id, NOW)), 'keys/not-adopted'],
      [forged(root, node, certifyNode(root, node.id, NOW)), 'signature/invalid'],
      [forged(root, node, new Uint8Array(5)), 'codec/malformed'],
      [adoption, 'signature/invalid'],
    ]
    for (const [document, code] of table) expect(await codeOf(() => verifyIdentityVoid(document))).toBe(code)
    const good = signIdentityVoid(root, adoption, lost)
    for (let at = 0; at < good.byteLength; at++) {
      const bad = Uint8Array.from(good)
      bad[at]! ^= 1
      expect(await codeOf(() => verifyIdentityVoid(bad)), `byte ${at}`).not.toBe('none')
    }
  })
})

describe('a void identity', () => {
  async function home(time: VirtualTime, network: ReturnType<typeof createMemoryMeshNetwork>, name: string) {
    const identity = createIdentity(random)
    const deviceKey = await openSoftwareDeviceKey({ path: join(folder, `${name}.key`), random })
    const store = await openKeyStore({ directory: join(folder, name), deviceKey, random })
    const mesh = network.node(identity.id, { topics: keyTopics(time) })
    await mesh.start()
    const start = async () => {
      const peerKeys = createPeerKeys(time)
      const documents = () => ({ revocations: [], bundles: [] })
      const exchange = createKeyExchange({ mesh, peerKeys, documents, logger: silentLogger })
      const memory = createVoidMemory({ store, peerKeys, timers: time, logger: silentLogger })
      const book = createVoidBook({
        store,
        peerKeys,
        announcer: exchange,
        timers: time,
        random,
        logger: silentLogger,
      })
      if (name !== 'forgetful') await memory.start()
      await exchange.start()
      await book.start()
      return {
        peerKeys,
        book,
        stop: async () => {
          await book.stop()
          await exchange.stop()
          await memory.stop()
        },
      }
    }
    return { identity, mesh, start }
  }

  it('KEY-1 told by any node is refused by all, also by those that start later, and after its teller started again', async () => {
    const time = new VirtualTime(NOW)
    const network = createMemoryMeshNetwork({ clock: time, timers: time })
    const [friend, peer, thief] = [
      await home(time, network, 'friend'),
      await home(time, network, 'forgetful'),
      await home(time, network, 'thief'),
    ]
    const { root } = await createOwnerRoot({ total: 5, threshold: 3 }, random)
    const lost = createIdentity(random)
    const document = signIdentityVoid(root, signAdoption(lost, root.id, NOW), { at: NOW, reason: 'lost' })
    let teller = await friend.start()
    let hearer = await peer.start()
    const isVoid = async () =>
      (await codeOf(() => hearer.peerKeys.assertIdentity(lost.id))) === 'keys/identity-revoked'
    expect(await isVoid()).toBe(false)
    expect(await teller.book.publish(document)).toMatchObject({ node: lost.id, root: root.id })
    await eventually(isVoid)

    await hearer.stop()
    await teller.stop()
    teller = await friend.start()
    await time.advance(60_000)
    hearer = await peer.start()
    expect(await isVoid()).toBe(false)
    await time.advance(HOUR)
    await eventually(isVoid)

    // Who keeps what it heard needs to be told once.
    const listener = await home(time, network, 'listener')
    let careful = await listener.start()
    const refuses = () => codeOf(() => careful.peerKeys.assertIdentity(lost.id))
    await time.advance(HOUR)
    await eventually(async () => (await refuses()) === 'keys/identity-revoked')
    await careful.stop()
    careful = await listener.start()
    expect(await refuses()).toBe('keys/identity-revoked')
    await careful.stop()

    // Nobody carries what is no void, or one from the future.
    const future = signIdentityVoid(root, signAdoption(lost, root.id, NOW), {
      at: NOW + 3 * HOUR,
      reason: 'lost',
    })
    const rule = keyTopics(time).get(KEYS_TOPIC)
    const judged = (kind: string, bytes: Uint8Array) =>
      rule?.validate({ from: thief.identity.id, body: encode({ kind, document: bytes }) })
    expect(judged('void', future)).toBe('ignore')
    expect(judged('void', document.subarray(1))).toBe('reject')
    expect(judged('revocation', document)).toBe('reject')
    expect(judged('void', document)).toBe('accept')
    expect(await codeOf(() => hearer.book.publish(future))).toBe('keys/revocation-forged')
    await teller.stop()
    await hearer.stop()
  })
})
