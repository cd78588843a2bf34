import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROTOCOLS } from '@askee/compute/protocol/names'
import { CONSENT_PROTOCOLS } from '@askee/consent'
import {
  AskeeError,
  errorCode,
  fromUtf8,
  type Mesh,
  type ProtocolName,
  systemRandom as random,
  silentLogger,
  systemClock,
  systemTimers,
  utf8,
} from '@askee/core'
import { createMemoryBlockStore, decorate, eventually } from '@askee/core/testing'
import {
  createIdentity,
  type Identity,
  keyTopics,
  openKeyStore,
  openSoftwareDeviceKey,
  signAlert,
} from '@askee/keys'
import { createLibp2pMesh } from '@askee/network'
import { afterEach, describe, expect, it } from 'vitest'
import { createNodeKeys, type NodeKeys } from '../src/keys.ts'

const SAY = PROTOCOLS.settle
const [REVOKE] = CONSENT_PROTOCOLS as [ProtocolName]
const LIMITS = {
  maxRequestBytes: 65_536,
  maxResponseBytes: 65_536,
  ratePerSecond: 10_000,
  burst: 10_000,
  concurrency: 1_000,
}
const folder = mkdtempSync(join(tmpdir(), 'askee-conversations-'))
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Node {
  readonly identity: Identity
  readonly keys: NodeKeys
  /** libp2p itself. */
  readonly wire: Mesh
  readonly mesh: Mesh
  /** What this node put on the wire: protocol and bytes. */
  readonly sent: { protocol: string; body: Uint8Array }[]
  /** What others said to it. */
  readonly heard: string[]
}

/** A node over real libp2p and TCP, with the keys and conversations of the agent. */
async function node(owner: Identity, first?: Node): Promise<Node> {
  const identity = createIdentity(random)
  const parts = { identity, clock: systemClock, timers: systemTimers, random, logger: silentLogger }
  const topics = keyTopics(systemClock)
  const libp2p = createLibp2pMesh(
    { ...parts, blocks: createMemoryBlockStore() },
    {
      network: 'local',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      allowInbound: ['/ip4/127.0.0.1'],
      bootstrap: [],
      mdns: 'off',
      topics,
    },
  )
  await libp2p.start()
  stops.push(() => libp2p.stop())
  if (first !== undefined) await libp2p.dial(first.wire.addresses()[0] as string)
  const sent: Node['sent'] = []
  const wire = decorate<Mesh>(libp2p, {
    request: (to, protocol, body, options) => {
      sent.push({ protocol, body: Uint8Array.from(body) })
      return libp2p.request(to, protocol, body, options)
    },
  })
  const deviceKey = await openSoftwareDeviceKey({ path: join(folder, `${identity.id}.key`), random })
  const store = await openKeyStore({ directory: join(folder, identity.id), deviceKey, random })
  const audit = { append: async () => ({ index: 0, leaf: '' }) }
  const keys = createNodeKeys({
    ...parts,
    owner: owner.id,
    store,
    audit,
    mesh: wire,
    isKnown: () => false,
    isAdmitted: () => false,
  })
  await keys.start()
  stops.push(() => keys.stop())
  const { mesh } = keys.conversations
  const heard: string[] = []
  mesh.handle(SAY, LIMITS, async ({ body }) => {
    const text = fromUtf8(body)
    heard.push(text)
    if (text === 'no') throw new AskeeError('test/refused', 'a reason')
    return utf8(`${text} heard`)
  })
  return { identity, keys, wire, mesh, sent, heard }
}

function say(from: Node, to: Node, text: string): Promise<string> {
  return from.mesh.request(to.wire.self, SAY, utf8(text), { timeout: 60_000 }).then(fromUtf8)
}

async function told(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'answered',
    (error: unknown) => (error as AskeeError<string, { code?: unknown }>).details.code ?? errorCode(error),
  )
}

describe('conversations of requester and worker over libp2p', () => {
  it('MSG-1 KEY-1 are sealed; keys change under load and no message is lost; after an emergency the old open nothing', async () => {
    const owner = createIdentity(random)
    const alice = await node(owner)
    const bob = await node(owner, alice)
    let n = 0
    const load = async (): Promise<void> => {
      const texts = Array.from({ length: 40 }, () => `message ${n++}`)
      const answers = await Promise.all(
        texts.flatMap((text) => [say(alice, bob, `a ${text}`), say(bob, alice, `b ${text}`)]),
      )
      expect(answers).toEqual(texts.flatMap((text) => [`a ${text} heard`, `b ${text} heard`]))
    }
    await load()
    for (const one of [alice, bob, alice]) {
      // While messages are under way.
      await Promise.all([load(), one.keys.rotate(['sealing'])])
    }
    expect(bob.heard).toHaveLength(n)
    expect(new Set(bob.heard).size).toBe(n)

    const kid = bob.keys.known(alice.wire.self, 'sealing').kid
    const hello = alice.sent.findLast(({ protocol }) => protocol === '/askee/session/open/1')
    const frame = alice.sent.findLast(({ protocol }) => protocol === SAY)
    await bob.keys.emergency('drill', ['sealing'])
    // What was recorded opens nothing: no session is left, and its opening has no key any more.
    expect(await told(alice.wire.request(bob.wire.self, SAY, frame?.body as Uint8Array))).toBe(
      'session/unknown',
    )
    const answer = await alice.wire.request(bob.wire.self, '/askee/session/open/1', hello?.body as Uint8Array)
    expect(Buffer.from(answer).toString('latin1')).toContain('error/1')
    expect(bob.heard).toHaveLength(n)
    await eventually(() => expect(alice.keys.known(bob.wire.self, 'sealing').kid).not.toBe(kid))
    await load()
    await alice.keys.emergency('drill', ['sealing'])
    await load()
    expect(await told(say(alice, bob, 'no'))).toBe('test/refused')
    for (const { sent } of [alice, bob]) {
      expect(sent.length).toBeGreaterThan(n)
      for (const { body } of sent) expect(Buffer.from(body).toString('latin1')).not.toMatch(/message \d/)
    }
  })

  it('MSG-2 freeze on an alert, say why, and go on when the owner ends it', async () => {
    const owner = createIdentity(random)
    const alice = await node(owner)
    const bob = await node(owner, alice)
    expect(await say(alice, bob, 'one')).toBe('one heard')
    const alert = (action: 'enter' | 'leave', by: Identity, sequence: number): Promise<void> =>
      bob.keys.conversations.alert(
        signAlert(by, { action, node: bob.wire.self, sequence, at: systemClock.now(), reason: 'drill' }),
      )
    const before = bob.keys.keys().filter(({ state }) => state === 'active')
    await alert('enter', bob.identity, 1)
    expect(bob.keys.conversations.mode()).toBe('paranoid')
    for (const { kid } of before) {
      expect(bob.keys.keys().find((key) => key.kid === kid && key.state === 'active')).toBeUndefined()
    }
    expect(await told(say(alice, bob, 'two'))).toBe('paranoid/frozen')
    expect(await told(say(bob, alice, 'two'))).toBe('paranoid/frozen')
    // Consents are critical: they go on, and what travels is of two layers.
    bob.mesh.handle(REVOKE, LIMITS, async ({ body }) => body)
    expect(await alice.mesh.request(bob.wire.self, REVOKE, utf8('revoked'))).toEqual(utf8('revoked'))
    const hello = alice.sent.findLast(({ protocol }) => protocol === '/askee/session/open/1')
    expect(Buffer.from(hello?.body as Uint8Array).toString('latin1')).toContain('double/1')
    for (const { protocol, body } of alice.sent) {
      if (protocol === REVOKE) expect(Buffer.from(body).toString('latin1')).not.toContain('revoked')
    }
    expect(await told(alert('leave', bob.identity, 2))).toBe('paranoid/alert-signer')
    await alert('leave', owner, 2)
    expect(await say(alice, bob, 'three')).toBe('three heard')
    expect(bob.heard).toEqual(['one', 'three'])
  })
})
