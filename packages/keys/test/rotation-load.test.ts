import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, systemRandom as random, silentLogger, utf8 } from '@askee/core'
import { createMemoryMeshNetwork, eventually, seededRandom, VirtualTime } from '@askee/core/testing'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createIdentity,
  createKeyExchange,
  createKeyRing,
  createOpener,
  createPeerKeys,
  createSealer,
  errorReplyIn,
  type KeyExchange,
  type KeyRing,
  keyTopics,
  type Opener,
  openKeyStore,
  openSoftwareDeviceKey,
  type PeerKeys,
  type Sealer,
  sealErrorReply,
} from '../src/index.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const folder = mkdtempSync(join(tmpdir(), 'askee-rotation-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Node {
  readonly id: ReturnType<typeof createIdentity>['id']
  readonly directory: string
  readonly exchange: KeyExchange
  readonly peerKeys: PeerKeys
  readonly sealer: Sealer
  readonly opener: Opener
  ring(): KeyRing
  /** Ends the ring and starts another from what is on disk. */
  restart(): Promise<void>
}

async function node(time: VirtualTime, network: ReturnType<typeof createMemoryMeshNetwork>): Promise<Node> {
  const identity = createIdentity(random)
  const directory = join(folder, identity.id)
  const deviceKey = await openSoftwareDeviceKey({ path: `${directory}.key`, random })
  const store = await openKeyStore({ directory, deviceKey, random })
  const mesh = network.node(identity.id, { topics: keyTopics(time) })
  const peerKeys = createPeerKeys(time)
  const logger = silentLogger
  const exchange: KeyExchange = createKeyExchange({
    mesh,
    peerKeys,
    documents: () => ring.documents(),
    logger,
  })
  const newRing = (): KeyRing =>
    createKeyRing({ identity, store, clock: time, timers: time, random, logger, announcer: exchange })
  let ring: KeyRing = newRing()
  await mesh.start()
  await exchange.start()
  await ring.start()
  return {
    id: identity.id,
    directory,
    exchange,
    peerKeys,
    sealer: createSealer({
      identity,
      clock: time,
      random,
      recipientKey: (to, use) => exchange.current(to, use),
    }),
    opener: createOpener({
      self: identity.id,
      clock: time,
      keyRing: { keyPair: (use, kid) => ring.keyPair(use, kid) },
      peerKeys,
    }),
    ring: () => ring,
    async restart() {
      await ring.stop()
      ring = newRing()
      await ring.start()
    },
  }
}

async function twoNodes(): Promise<{
  time: VirtualTime
  alice: Node
  bob: Node
  network: ReturnType<typeof createMemoryMeshNetwork>
}> {
  const time = new VirtualTime()
  const network = createMemoryMeshNetwork({ timers: time, clock: time })
  return { time, network, alice: await node(time, network), bob: await node(time, network) }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'opened',
    (error: unknown) => errorCode(error) ?? String(error),
  )
}

function activeKid(ring: KeyRing): string {
  return ring.keys().find(({ use, state }) => use === 'sealing' && state === 'active')?.kid as string
}

describe('rotation under load', () => {
  it('KEY-1 loses no message in three days of rotation, delays, partitions and restarts, in one layer or two', async () => {
    const { time, alice, bob, network } = await twoNodes()
    const dice = seededRandom(7)
    const codes = new Map<string, number>()
    const used = new Set<string>()
    const underway: { at: number; bytes: Uint8Array }[] = []
    const arrive = async (): Promise<void> => {
      for (const one of underway.splice(0)) {
        if (one.at > time.now()) underway.push(one)
        else {
          const code = await codeOf(bob.opener.open(one.bytes))
          codes.set(code, (codes.get(code) ?? 0) + 1)
        }
      }
    }
    let sent = 0
    await alice.exchange.fetch(bob.id)
    for (let step = 0; step < 288; step++) {
      // Every fifth hour is spent apart: news of keys are missed.
      if (step % 20 === 12) network.partition([alice.id], [bob.id])
      if (step % 20 === 15) network.heal()
      if (step % 70 === 40) await bob.restart()
      if (step === 100) await bob.ring().rotate('sealing')
      for (let i = 0; i < 2; i++) {
        const layers = dice.below(2) === 0 ? 'single' : 'double'
        const message = { to: bob.id, conv: `load/${sent}`, typ: 'text/1', body: utf8(`message ${sent}`) }
        let bytes: Uint8Array
        try {
          bytes = await alice.sealer.seal(message, layers)
        } catch (error) {
          // Apart, with a key that is over: it is told at once, nothing is lost silently.
          expect(errorCode(error)).toBe('mesh/unreachable')
          continue
        }
        sent += 1
        used.add((await alice.exchange.current(bob.id, 'sealing')).kid)
        underway.push({ at: time.now() + dice.below(4 * MINUTE), bytes })
      }
      await time.advance(4 * MINUTE)
      await arrive()
      await time.advance(11 * MINUTE)
      // Virtual time does not wait for the disk: what the ring was asked for until now is done after this.
      await bob.ring().sign('status', utf8('settled'))
    }
    expect(Object.fromEntries(codes)).toEqual({ opened: sent })
    expect(sent).toBeGreaterThan(400)
    expect(used.size).toBeGreaterThanOrEqual(3)
    for (const one of [alice, bob]) await one.ring().stop()
  })

  it('KEY-1 after an emergency the old keys open nothing, on this node or after a restart, and are on no disk', async () => {
    const { time, alice, bob } = await twoNodes()
    await alice.exchange.fetch(bob.id)
    await time.advance(23 * HOUR + 30 * MINUTE)
    await eventually(() =>
      bob
        .ring()
        .keys()
        .some(({ state }) => state === 'pre-active'),
    )
    await bob.ring().rotate('sealing')
    const old = bob
      .ring()
      .keys()
      .map(({ use, kid }) => `${use}.${kid}.secret`)
    // Sealed to the newest key and still under way.
    const underway = await Promise.all(
      ['single', 'double'].map((layers) =>
        alice.sealer.seal(
          { to: bob.id, conv: `emergency/${layers}`, typ: 'text/1', body: utf8('secret') },
          layers as 'single' | 'double',
        ),
      ),
    )
    await bob.ring().emergency('compromised')
    for (const bytes of underway) expect(await codeOf(bob.opener.open(bytes))).toBe('keys/key-revoked')
    await bob.restart()
    for (const file of readdirSync(bob.directory)) expect(old).not.toContain(file)
    for (const { kid, state } of bob.ring().keys()) {
      const opened = await codeOf(bob.ring().keyPair('sealing', kid))
      if (state === 'destroyed') expect(['keys/key-revoked', 'keys/unknown-key']).toContain(opened)
    }
    for (const one of [alice, bob]) await one.ring().stop()
  })

  it('KEY-1 a sender that heard of no emergency is told, asks for the new key, and is read again', async () => {
    const { alice, bob, network } = await twoNodes()
    await alice.exchange.fetch(bob.id)
    const old = activeKid(bob.ring())
    network.partition([alice.id], [bob.id])
    await bob.ring().emergency('compromised', ['sealing'])
    network.heal()
    const message = { to: bob.id, conv: 'talk', typ: 'text/1', body: utf8('hello') }
    const refused = await bob.opener.open(await alice.sealer.seal(message)).catch((error: unknown) => error)
    expect(errorCode(refused)).toBe('keys/key-revoked')
    const reply = (await sealErrorReply(bob.sealer, refused)) as Uint8Array
    expect(errorReplyIn(await alice.opener.open(reply))?.code).toBe('keys/key-revoked')
    await alice.exchange.fetch(bob.id)
    expect(alice.peerKeys.current(bob.id, 'sealing').kid).not.toBe(old)
    expect(await codeOf(bob.opener.open(await alice.sealer.seal(message)))).toBe('opened')
    for (const one of [alice, bob]) await one.ring().stop()
  })
})
