import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, systemRandom as random, silentLogger } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { afterAll, describe, expect, it } from 'vitest'
import {
  CHAIN_USES,
  createIdentity,
  createKeyRing,
  createPeerKeys,
  type Identity,
  type KeyRing,
  openKeyStore,
  openSoftwareDeviceKey,
  restartChains,
} from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-restart-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function ringOf(identity: Identity, time: VirtualTime, name: string, how: 'new' | 'restored') {
  const deviceKey = await openSoftwareDeviceKey({ path: join(folder, `${name}.key`), random })
  const store = await openKeyStore({ directory: join(folder, name), deviceKey, random })
  if (how === 'restored') await restartChains(store, time.now())
  const announcer = { announce: async () => {} }
  const ring = createKeyRing({
    identity,
    store,
    clock: time,
    timers: time,
    random,
    logger: silentLogger,
    announcer,
  })
  await ring.start()
  return ring
}

describe('a node that came back from a backup', () => {
  it('KEY-1 declares lost what it had before, and others refuse that and take its new keys', async () => {
    const time = new VirtualTime()
    await time.advance(1_000_000)
    const identity = createIdentity(random)
    const lost = await ringOf(identity, time, 'lost', 'new')
    for (let i = 0; i < 5; i++) await lost.rotate('sealing')
    const before = lost.documents()
    const peer = createPeerKeys(time)
    for (const bundle of before.bundles) peer.acceptBundle(bundle)
    const old = peer.current(identity.id, 'sealing').kid

    await time.advance(60_000)
    const restored = await ringOf(identity, time, 'restored', 'restored')
    const { revocations, bundles } = restored.documents()
    expect(revocations).toHaveLength(CHAIN_USES.length)
    for (const revocation of revocations) expect(peer.acceptRevocation(revocation)).toBe(true)
    expect(refusal(() => peer.current(identity.id, 'sealing'))).toBe('keys/revoked')
    for (const bundle of before.bundles) {
      expect(refusal(() => peer.acceptBundle(bundle))).toBe('keys/revoked')
    }
    for (const bundle of bundles) expect(peer.acceptBundle(bundle)).toBe(true)
    expect(peer.current(identity.id, 'sealing').kid).toBe(activeKid(restored))
    expect(activeKid(restored)).not.toBe(old)
    await lost.stop()
    await restored.stop()
  })
})

function activeKid(ring: KeyRing): string | undefined {
  return ring.keys().find(({ use, state }) => use === 'sealing' && state === 'active')?.kid
}

function refusal(work: () => unknown): string | undefined {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return errorCode(error)
  }
}
