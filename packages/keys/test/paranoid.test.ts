import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, systemRandom as random, silentLogger, utf8 } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type Alert,
  type Conversations,
  createIdentity,
  createKeyRing,
  createOpener,
  createPeerKeys,
  createSealer,
  errorReplyIn,
  type Identity,
  openConversations,
  openKeyStore,
  openSoftwareDeviceKey,
  type PeerKeys,
  sealErrorReply,
  signAlert,
  signDocument,
} from '../src/index.ts'
import { NORMAL, type ParanoidEvent, type ParanoidState, stepParanoid } from '../src/paranoid/machine.ts'
import { parseEnvelope } from '../src/sealing/envelope.ts'

const HOUR = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'askee-paranoid-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: unknown) => errorCode(error) ?? String(error),
  )
}

interface Node {
  readonly identity: Identity
  readonly owner: Identity
  readonly ring: ReturnType<typeof createKeyRing>
  readonly sealer: ReturnType<typeof createSealer>
  readonly freezes: string[]
  readonly acts: string[]
  door: Conversations
  reopen(): Promise<void>
}

/** Nodes that hear each other's documents at once. */
async function nodes(time: VirtualTime): Promise<[Node, Node]> {
  const directories: PeerKeys[] = []
  const make = async (): Promise<Node> => {
    const [identity, owner] = [createIdentity(random), createIdentity(random)]
    const directory = join(folder, identity.id)
    const deviceKey = await openSoftwareDeviceKey({ path: `${directory}.key`, random })
    const store = await openKeyStore({ directory, deviceKey, random })
    const peerKeys = createPeerKeys(time)
    directories.push(peerKeys)
    const ring = createKeyRing({
      identity,
      store,
      clock: time,
      timers: time,
      random,
      logger: silentLogger,
      announcer: {
        async announce(kind, document) {
          for (const one of directories) {
            if (kind === 'bundle') one.acceptBundle(document)
            else one.acceptRevocation(document)
          }
        },
      },
    })
    const sealer = createSealer({
      identity,
      clock: time,
      random,
      recipientKey: (to, use) => peerKeys.current(to, use),
    })
    const opener = createOpener({ self: identity.id, clock: time, keyRing: ring, peerKeys })
    const freezes: string[] = []
    const acts: string[] = []
    const open = (): Promise<Conversations> =>
      openConversations(
        {
          sealer,
          opener,
          keyRing: ring,
          store,
          clock: time,
          onFreeze: (state) => freezes.push(state),
          audit: { append: async ({ action }) => ({ index: acts.push(action), leaf: '' }) },
        },
        {
          self: identity.id,
          enterBy: [owner.id, identity.id],
          leaveBy: [owner.id],
          critical: ['consent/', 'revocations'],
        },
      )
    const node: Node = {
      identity,
      owner,
      ring,
      sealer,
      freezes,
      acts,
      door: await open(),
      reopen: async () => {
        node.door = await open()
      },
    }
    return node
  }
  const [a, b] = [await make(), await make()]
  await a.ring.start()
  await b.ring.start()
  // What the first told before the second was there.
  for (const document of a.ring.documents().bundles) directories[1]?.acceptBundle(document)
  return [a, b]
}

function alert(node: Node, action: Alert['action'], at: number, change: Partial<Alert> = {}): Alert {
  return { action, node: node.identity.id, sequence: at, at, reason: 'test', ...change }
}

const activeKid = ({ ring }: Node): string | undefined =>
  ring.keys().find(({ use, state }) => use === 'sealing' && state === 'active')?.kid

describe('paranoid mode', () => {
  it('MSG-2 is entered by a signed alert: new keys, two layers, and nothing but critical conversations', async () => {
    const time = new VirtualTime()
    const [alice, bob] = await nodes(time)
    const talk = { to: bob.identity.id, conv: 'talk', typ: 'text/1', body: utf8('hello') }
    const critical = { ...talk, conv: 'consent/1' }
    expect((await bob.door.open(await alice.door.seal(talk))).layers).toBe('single')
    const before = activeKid(bob)
    const old = await alice.sealer.seal(critical, 'double')

    await bob.door.alert(signAlert(bob.owner, alert(bob, 'enter', time.now())))
    expect(bob.door.mode()).toBe('paranoid')
    expect(bob.freezes).toEqual(['frozen'])
    expect(bob.acts).toEqual(['paranoid.entered'])
    expect(activeKid(bob)).not.toBe(before)
    expect(await codeOf(bob.door.open(old)), 'the keys of before open nothing').toBe('keys/key-revoked')

    const single = await bob.door.open(await alice.door.seal(critical)).catch((error: unknown) => error)
    expect(errorCode(single)).toBe('paranoid/single-layer')
    const reply = (await sealErrorReply(bob.sealer, single)) as Uint8Array
    expect(errorReplyIn(await alice.door.open(reply))?.code).toBe('paranoid/single-layer')
    expect(await codeOf(bob.door.open(await alice.sealer.seal(talk, 'double')))).toBe('paranoid/frozen')
    const double = await bob.door.open(await alice.sealer.seal(critical, 'double'))
    expect(double).toMatchObject({ layers: 'double', body: utf8('hello') })

    expect(await codeOf(bob.door.seal({ ...talk, to: alice.identity.id }))).toBe('paranoid/frozen')
    const sent = await bob.door.seal({ ...critical, to: alice.identity.id })
    expect(parseEnvelope(sent).header.typ).toBe('double/1')
    expect((await alice.door.open(sent)).layers).toBe('double')
    for (const one of [alice, bob]) await one.ring.stop()
  })

  it('MSG-2 is left by a signed alert of the owner, and conversations go on', async () => {
    const time = new VirtualTime()
    const [alice, bob] = await nodes(time)
    await bob.door.alert(signAlert(bob.identity, alert(bob, 'enter', time.now())))
    await time.advance(1000)
    expect(await codeOf(bob.door.alert(signAlert(bob.identity, alert(bob, 'leave', time.now()))))).toBe(
      'paranoid/alert-signer',
    )
    expect(bob.door.mode()).toBe('paranoid')
    await bob.door.alert(signAlert(bob.owner, alert(bob, 'leave', time.now())))
    expect([bob.door.mode(), bob.freezes, bob.acts]).toEqual([
      'normal',
      ['frozen', 'thawed'],
      ['paranoid.entered', 'paranoid.left'],
    ])
    const talk = { to: bob.identity.id, conv: 'talk', typ: 'text/1', body: utf8('hello') }
    expect((await bob.door.open(await alice.door.seal(talk))).layers).toBe('single')
    for (const one of [alice, bob]) await one.ring.stop()
  })

  it('MSG-2 is entered and left when the clock was set back, after a restart too', async () => {
    const ahead = new VirtualTime(HOUR * 24 * 365)
    const [alice, bob] = await nodes(ahead)
    let now = ahead.now()
    const sign = (action: Alert['action']) =>
      bob.door.alert(signAlert(bob.owner, alert(bob, action, now, { sequence: bob.door.nextAlert() })))
    expect(bob.door.nextAlert()).toBe(now)
    await sign('enter')
    // The same clock, a year back.
    now = HOUR
    ahead.now = () => now
    await bob.reopen()
    await sign('leave')
    expect(bob.door.mode()).toBe('normal')
    await sign('enter')
    await bob.reopen()
    expect(bob.door.mode()).toBe('paranoid')
    await sign('leave')
    expect(bob.door.mode()).toBe('normal')
    for (const one of [alice, bob]) await one.ring.stop()
  })

  it('MSG-2 survives a restart', async () => {
    const time = new VirtualTime()
    const [alice, bob] = await nodes(time)
    await bob.door.alert(signAlert(bob.owner, alert(bob, 'enter', time.now())))
    const kid = activeKid(bob)
    await bob.reopen()
    expect(bob.door.mode()).toBe('paranoid')
    expect(bob.freezes, 'what is frozen is told again').toEqual(['frozen', 'frozen'])
    expect(activeKid(bob), 'and owes no second emergency').toBe(kid)
    expect(await codeOf(bob.door.alert(signAlert(bob.owner, alert(bob, 'leave', time.now()))))).toBe(
      'paranoid/alert-replayed',
    )
    for (const one of [alice, bob]) await one.ring.stop()
  })

  it('MSG-2 does after a crash the emergency that is still owed', async () => {
    const time = new VirtualTime()
    const [alice, bob] = await nodes(time)
    const kid = activeKid(bob)
    const { emergency } = bob.ring
    bob.ring.emergency = () => Promise.reject(new Error('the process ends here'))
    expect(await codeOf(bob.door.alert(signAlert(bob.owner, alert(bob, 'enter', time.now()))))).toContain(
      'ends here',
    )
    expect([bob.door.mode(), activeKid(bob)]).toEqual(['paranoid', kid])
    bob.ring.emergency = emergency
    await bob.reopen()
    expect(bob.door.mode()).toBe('paranoid')
    expect(activeKid(bob)).not.toBe(kid)
    for (const one of [alice, bob]) await one.ring.stop()
  })

  type Forgery = (node: Node, now: number) => Uint8Array
  const table: readonly (readonly [what: string, code: string, forgery: Forgery])[] = [
    [
      'of a stranger',
      'paranoid/alert-signer',
      (node, now) => signAlert(createIdentity(random), alert(node, 'enter', now)),
    ],
    [
      'for another node',
      'paranoid/alert-for-another',
      (node, now) => signAlert(node.owner, alert(node, 'enter', now, { node: createIdentity(random).id })),
    ],
    [
      'of two days ago',
      'paranoid/alert-stale',
      (node, now) => signAlert(node.owner, alert(node, 'enter', now - 48 * HOUR)),
    ],
    [
      'of tomorrow',
      'paranoid/alert-stale',
      (node, now) => signAlert(node.owner, alert(node, 'enter', now + HOUR)),
    ],
    [
      'to leave, ten minutes old',
      'paranoid/alert-stale',
      (node, now) => signAlert(node.owner, alert(node, 'leave', now - HOUR / 6)),
    ],
    [
      'signed as another document',
      'signature/invalid',
      (node, now) => signDocument(node.owner, 'askee/other/1', { v: 1, ...alert(node, 'enter', now) }),
    ],
    [
      'with an action that is none',
      'codec/schema',
      (node, now) =>
        signDocument(node.owner, 'askee/paranoid-alert/1', {
          v: 1,
          ...alert(node, 'enter', now),
          action: 'pause',
        }),
    ],
    ['that is no document', 'codec/malformed', () => new Uint8Array(20).fill(255)],
  ]
  it('MSG-2 refuses alerts that are forged, old, or for another', async () => {
    const time = new VirtualTime()
    const [alice, bob] = await nodes(time)
    for (const [what, code, forgery] of table) {
      expect(await codeOf(bob.door.alert(forgery(bob, time.now()))), what).toBe(code)
    }
    expect([bob.door.mode(), bob.freezes, bob.acts]).toEqual(['normal', [], []])
    for (const one of [alice, bob]) await one.ring.stop()
  })

  it('MSG-2 takes each alert once and in order, and owes an emergency until it is done', () => {
    const [self, owner, thief] = Array.from({ length: 3 }, () => createIdentity(random).id) as [
      Identity['id'],
      Identity['id'],
      Identity['id'],
    ]
    const rules = { self, enterBy: [self, owner], leaveBy: [owner], critical: [] }
    const event = fc.oneof(
      fc.record({
        type: fc.constant('alert' as const),
        signer: fc.constantFrom(self, owner, thief),
        alert: fc.record({
          action: fc.constantFrom('enter' as const, 'leave' as const),
          node: fc.constant(self),
          sequence: fc.integer({ min: 1, max: 8 }),
          at: fc.constant(1000),
          reason: fc.constant(''),
        }),
        now: fc.constant(1000),
      }),
      fc.constant({ type: 'rotated' as const }),
      fc.constant({ type: 'loaded' as const }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events: ParanoidEvent[]) => {
        let state: ParanoidState = NORMAL
        for (const one of events) {
          const { state: next, effects } = stepParanoid(state, one, rules)
          const kinds = effects.map(({ type }) => type)
          if (one.type === 'alert') {
            const taken = !kinds.includes('refused')
            expect(taken).toBe(
              one.alert.sequence > state.sequence &&
                (one.alert.action === 'enter' ? one.signer !== thief : one.signer === owner),
            )
            if (!taken) expect(next).toEqual(state)
            else expect(next.mode).toBe(one.alert.action === 'enter' ? 'paranoid' : 'normal')
            const entered = state.mode === 'normal' && next.mode === 'paranoid'
            expect(kinds.includes('rotate-emergency')).toBe(entered)
          }
          if (one.type === 'loaded') expect(kinds.includes('rotate-emergency')).toBe(state.rotation === 'due')
          expect(next.sequence).toBeGreaterThanOrEqual(state.sequence)
          state = next
        }
      }),
      { numRuns: 200 },
    )
  })
})
