import { AskeeError, errorCode, fromUtf8, type Mesh, type RequestHandler, utf8 } from '@askee/core'
import { createMemoryMeshNetwork, decorate, eventually, VirtualTime } from '@askee/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { signAlert } from '../src/index.ts'
import { LIMITS, type SessionNode, type SessionNodeInit, sessionNode, TALK } from './support/session-node.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const nodes: SessionNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
})

/** A clock that is set wrong by so much. */
function offset(time: VirtualTime, by: number): VirtualTime {
  return decorate(time, { now: () => time.now() + by })
}

interface House {
  readonly time: VirtualTime
  readonly network: ReturnType<typeof createMemoryMeshNetwork>
  node(init?: SessionNodeInit & { clockOff?: number }): Promise<SessionNode>
}

function house(): House {
  const time = new VirtualTime(1_700_000_000_000)
  const network = createMemoryMeshNetwork({ timers: time, clock: time })
  return {
    time,
    network,
    async node({ clockOff = 0, ...init } = {}) {
      const made = await sessionNode(
        offset(time, clockOff),
        ({ id }, topics) => network.node(id, { topics }),
        init,
      )
      nodes.push(made)
      return made
    },
  }
}

/** Answers with what it heard, and tells what it heard. */
function echo(node: SessionNode): string[] {
  const heard: string[] = []
  node.sealed.handle(TALK, LIMITS, async ({ body }) => {
    const text = fromUtf8(body)
    heard.push(text)
    if (text.startsWith('no ')) throw new AskeeError(text.slice(3), 'secret reason')
    if (text === 'throw') throw new Error('secret failure')
    return utf8(`${text} heard`)
  })
  return heard
}

function say(from: SessionNode, to: SessionNode, text: string, options = {}): Promise<string> {
  return from.sealed.request(to.id, TALK, utf8(text), options).then(fromUtf8)
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; told: unknown }> {
  return promise.then(
    () => ({ code: 'answered', told: undefined }),
    (error: unknown) => ({
      code: errorCode(error) ?? String(error),
      told: error instanceof AskeeError ? (error.details as { code?: unknown }).code : undefined,
    }),
  )
}

/** Everything that leaves a node and comes back to it, as text. */
function tapped(seen: string[]): (mesh: Mesh) => Mesh {
  const note = (bytes: Uint8Array): void => void seen.push(Buffer.from(bytes).toString('latin1'))
  return (mesh) =>
    decorate(mesh, {
      request: async (to, protocol, body, options) => {
        note(body)
        const answer = await mesh.request(to, protocol, body, options).catch((error: unknown) => {
          seen.push(String(error))
          throw error
        })
        note(answer)
        return answer
      },
    })
}

/** What the next requests meet on the wire instead of the peer. */
function meddler(): { wrap: (mesh: Mesh) => Mesh; next?: Mesh['request'] } {
  const one: { wrap: (mesh: Mesh) => Mesh; next?: Mesh['request'] } = {
    wrap: (mesh) =>
      decorate(mesh, {
        request: (...args) => {
          if (one.next === undefined || args[1] !== TALK) return mesh.request(...args)
          const { next } = one
          delete one.next
          return next(...args)
        },
      }),
  }
  return one
}

describe('a sealed mesh', () => {
  it('MSG-1 carries requests, answers and refusals that nobody on the way reads', async () => {
    const { node } = house()
    const seen: string[] = []
    const [alice, bob] = [await node({ wrap: tapped(seen) }), await node()]
    const heard = echo(bob)
    expect(await say(alice, bob, 'swordfish')).toBe('swordfish heard')
    expect(await failure(say(alice, bob, 'no test/reason'))).toEqual({
      code: 'mesh/refused',
      told: 'test/reason',
    })
    expect(await failure(say(alice, bob, 'throw'))).toEqual({ code: 'mesh/refused', told: 'internal' })
    expect(heard).toEqual(['swordfish', 'no test/reason', 'throw'])
    expect(seen.length).toBeGreaterThan(6)
    for (const text of seen) expect(text).not.toMatch(/swordfish|reason|heard|secret|throw/)
    expect([alice.sessions.size, bob.sessions.size]).toEqual([1, 1])
  })

  it('MSG-1 asks for keys at first contact, opens one session for many at once, and passes the rest through', async () => {
    const { node } = house()
    const [alice, bob] = [await node(), await node()]
    echo(bob)
    const texts = Array.from({ length: 300 }, (_, i) => `message ${i}`)
    const answers = await Promise.all(texts.map((text) => say(alice, bob, text)))
    expect(answers).toEqual(texts.map((text) => `${text} heard`))
    expect([alice.sessions.size, bob.sessions.size]).toEqual([1, 1])
    const plain: RequestHandler = async ({ body }) => body
    bob.sealed.handle('/askee/test/plain/1', LIMITS, plain)
    expect(await alice.sealed.request(bob.id, '/askee/test/plain/1', utf8('x'))).toEqual(utf8('x'))
  })

  it('MSG-1 says nothing in clear, and nothing at all, where no session can be opened', async () => {
    const { node, network } = house()
    const seen: string[] = []
    const [alice, bob] = [await node({ wrap: tapped(seen) }), await node()]
    const heard = echo(bob)
    await bob.ring.revokeIdentity('compromised')
    await alice.exchange.fetch(bob.id)
    expect(await failure(say(alice, bob, 'swordfish'))).toEqual({
      code: 'mesh/unreachable',
      told: 'keys/identity-revoked',
    })
    const carol = await node()
    carol.sealed.handle('/askee/test/plain/1', LIMITS, async ({ body }) => body)
    network.partition([alice.id], [carol.id])
    expect((await failure(say(alice, carol, 'swordfish'))).code).toBe('mesh/unreachable')
    network.heal()
    const mute = network.node('12D3KooWmute' as SessionNode['id'], { topics: new Map() })
    await mute.start()
    const unsupported = await failure(alice.sealed.request(mute.self, TALK, utf8('swordfish')))
    expect(unsupported.code).toBe('mesh/unsupported-protocol')
    expect(heard).toEqual([])
    for (const text of seen) expect(text).not.toMatch(/swordfish/)
  })

  it('MSG-1 keeps to the limits of a protocol', async () => {
    const { node } = house()
    const [alice, bob] = [await node(), await node()]
    bob.sealed.handle(TALK, LIMITS, async ({ body }) => new Uint8Array(2 * body.byteLength))
    const largest = LIMITS.maxRequestBytes
    const ask = (size: number, maxResponseBytes = 10 * largest): Promise<unknown> =>
      alice.sealed.request(bob.id, TALK, new Uint8Array(size), { maxResponseBytes })
    expect((await failure(ask(largest / 2))).code).toBe('answered')
    expect((await failure(ask(largest / 2 + 1))).code).toBe('mesh/too-large')
    expect((await failure(ask(largest + 1))).code).toBe('mesh/too-large')
    expect((await failure(ask(100, 199))).code).toBe('mesh/too-large')
    expect((await failure(ask(100, 200))).code).toBe('answered')
  })

  it('MSG-1 waits for an answer, and for a session, no longer than it is told', async () => {
    const { node, time, network } = house()
    const [alice, bob] = [await node(), await node()]
    const mute = network.node('12D3KooWmute' as SessionNode['id'], { topics: new Map() })
    await mute.start()
    mute.handle('/askee/keys/documents/1', LIMITS, () => new Promise(() => {}))
    const opening = failure(alice.sealed.request(mute.self, TALK, utf8('x'), { timeout: 500 }))
    await time.advance(500)
    expect((await opening).code).toBe('mesh/timeout')
    bob.sealed.handle(TALK, LIMITS, () => new Promise(() => {}))
    const asked = failure(say(alice, bob, 'x', { timeout: 60_000 }))
    const gone = new AbortController()
    const left = failure(say(alice, bob, 'x', { signal: gone.signal }))
    await eventually(() => alice.sessions.size === 1)
    gone.abort(new AskeeError('test/gone', 'no longer wanted'))
    expect((await left).code).toBe('test/gone')
    await time.advance(60_000)
    expect((await asked).code).toBe('mesh/timeout')
  })

  it('MSG-1 opens anew when the other side restarted, and sends again what was not read', async () => {
    const { node } = house()
    const [alice, bob] = [await node(), await node()]
    const heard = echo(bob)
    await say(alice, bob, 'one')
    bob.sessions.endAll('restart')
    expect(await say(alice, bob, 'two')).toBe('two heard')
    expect(heard).toEqual(['one', 'two'])
  })

  it.each([-4, 4])(
    'MSG-1 talks at once to a node that has just started, with a clock %i minutes off',
    async (minutes) => {
      const { node } = house()
      const alice = await node({ clockOff: minutes * MINUTE })
      const bob = await node()
      for (const one of [alice, bob]) echo(one)
      expect(await say(alice, bob, 'one')).toBe('one heard')
      expect(await say(bob, alice, 'two')).toBe('two heard')
    },
  )

  it.each([
    [-6, 'envelope/stale'],
    [6, 'envelope/future'],
  ])('MSG-1 opens no session with a clock %i minutes off: %s', async (minutes, code) => {
    const { node, time } = house()
    const [alice, bob] = [await node({ clockOff: minutes * MINUTE }), await node()]
    const heard = echo(bob)
    // Their keys are of the past for both.
    await time.advance(15 * MINUTE)
    const { code: mesh, told } = await failure(say(alice, bob, 'one'))
    expect(mesh).toBe('mesh/unreachable')
    // Alice cannot read the refusal either: it is as far from her time as she is from Bob's.
    expect([code, code === 'envelope/stale' ? 'envelope/future' : 'envelope/stale']).toContain(told)
    expect(heard).toEqual([])
  })

  it('MSG-1 carries out nothing twice when a request is replayed, turned, cut or brought by another', async () => {
    const { node } = house()
    const wire = meddler()
    const [alice, bob, carol] = [await node({ wrap: wire.wrap }), await node(), await node()]
    const heard = echo(bob)
    echo(carol)
    let frame = new Uint8Array()
    wire.next = (to, protocol, body, options) => {
      frame = Uint8Array.from(body)
      return alice.mesh.request(to, protocol, body, options)
    }
    await say(alice, bob, 'pay 10')
    await say(alice, carol, 'hello')
    const brought = async (by: SessionNode, to: SessionNode, bytes: Uint8Array): Promise<unknown> =>
      (await failure(by.mesh.request(to.id, TALK, bytes))).told
    // Known to who holds the session: told inside it.
    const replayed = await alice.mesh.request(bob.id, TALK, frame)
    expect(Buffer.from(replayed).toString('latin1')).not.toMatch(/session/)
    expect(replayed[1]).toBe(3)
    expect(await brought(carol, bob, frame)).toBe('session/wrong-peer')
    expect(await brought(alice, carol, frame)).toBe('session/unknown')
    expect(await brought(alice, bob, frame.slice(0, -1))).toBe('session/cut')
    const turned = Uint8Array.from(frame)
    turned[2] = 1
    expect(await brought(alice, bob, turned)).toBe('session/direction')
    const flipped = Uint8Array.from(frame)
    flipped[60] = (flipped[60] as number) ^ 1
    expect(await brought(alice, bob, flipped)).toBe('session/unreadable')
    expect(await brought(alice, bob, utf8('hello'))).toBe('session/malformed')
    expect(heard).toEqual(['pay 10'])
  })

  it('MSG-1 takes no answer but the one to its question', async () => {
    const { node } = house()
    const wire = meddler()
    const [alice, bob] = [await node({ wrap: wire.wrap }), await node()]
    const heard = echo(bob)
    let first = new Uint8Array()
    wire.next = async (...args) => {
      first = Uint8Array.from(await alice.mesh.request(...args))
      return first
    }
    expect(await say(alice, bob, 'one')).toBe('one heard')
    wire.next = async () => first
    expect(await failure(say(alice, bob, 'two'))).toEqual({
      code: 'mesh/unreachable',
      told: 'session/answer',
    })
    wire.next = async (_, __, body) => body
    expect(await failure(say(alice, bob, 'three'))).toEqual({
      code: 'mesh/unreachable',
      told: 'session/answer',
    })
    wire.next = async (...args) => (await alice.mesh.request(...args)).slice(0, -1)
    expect(await failure(say(alice, bob, 'four'))).toEqual({ code: 'mesh/unreachable', told: 'session/cut' })
    expect(await say(alice, bob, 'five')).toBe('five heard')
    expect(heard).toEqual(['one', 'four', 'five'])
  })
})

describe('the keys of sessions', () => {
  it('KEY-1 are ended by an emergency of either side, which voids what is under way, and made anew', async () => {
    const { node, network } = house()
    const [alice, bob] = [await node(), await node()]
    const heard = echo(bob)
    await say(alice, bob, 'one')
    // Bob's side, told by gossip: both sessions are gone at once.
    await bob.ring.emergency('compromised', ['sealing'])
    expect(bob.sessions.size).toBe(0)
    await eventually(() => alice.sessions.size === 0)
    expect(await say(alice, bob, 'two')).toBe('two heard')
    // Apart: Alice hears of nothing and finds out.
    network.partition([alice.id], [bob.id])
    await bob.ring.emergency('compromised', ['sealing'])
    network.heal()
    expect(alice.sessions.size).toBe(1)
    expect(await say(alice, bob, 'three')).toBe('three heard')
    // The one who opens.
    network.partition([alice.id], [bob.id])
    await alice.ring.emergency('compromised', ['sealing'])
    network.heal()
    expect(alice.sessions.size).toBe(0)
    expect(await say(alice, bob, 'four')).toBe('four heard')
    expect(heard).toEqual(['one', 'two', 'three', 'four'])
    await bob.ring.revokeIdentity('compromised')
    await eventually(() => alice.sessions.size === 0)
    expect((await failure(say(alice, bob, 'five'))).told).toBe('keys/identity-revoked')
  })

  it('KEY-1 change daily under load, and no message is lost', async () => {
    const { node, time } = house()
    const [alice, bob] = [await node(), await node()]
    const heard = echo(bob)
    const opened = new Set<string>()
    for (let step = 0; step < 60; step++) {
      const texts = [0, 1, 2].map((i) => `${step}.${i}`)
      const answers = await Promise.all(texts.map((text) => say(alice, bob, text)))
      expect(answers).toEqual(texts.map((text) => `${text} heard`))
      opened.add((await alice.sessions.to(bob.id, 'test')).context.responderKid)
      await time.advance(HOUR)
      await bob.ring.sign('status', utf8('settled'))
    }
    expect(heard.length).toBe(180)
    expect(opened.size).toBeGreaterThanOrEqual(3)
  })

  it('KEY-1 end when the key that opened them is erased at the end of its grace', async () => {
    const { node, time } = house()
    const kept = { sessions: { limits: { idleAfter: 1e12, lifetime: 1e12 } } }
    const [alice, bob] = [await node(kept), await node(kept)]
    echo(bob)
    await say(alice, bob, 'one')
    const pass = async (hours: number): Promise<void> => {
      for (let hour = 0; hour < hours; hour++) {
        await time.advance(HOUR)
        // Virtual time does not wait for the disk: what the ring was asked for until now is done after this.
        for (const one of [alice, bob]) await one.ring.sign('status', utf8('settled'))
      }
    }
    await pass(47)
    expect(bob.sessions.size).toBe(1)
    await pass(2)
    expect(bob.sessions.size).toBe(0)
    expect(await say(alice, bob, 'two')).toBe('two heard')
  })
})

describe('sessions', () => {
  it('MSG-1 end when nobody uses them, and vouch for the last word before', async () => {
    const { node, time } = house()
    const [alice, bob] = [await node(), await node()]
    echo(bob)
    await say(alice, bob, 'one')
    const session = await alice.sessions.to(bob.id, 'test')
    await time.advance(90_000)
    await eventually(() => !session.wantsFlush)
    expect([alice.sessions.size, bob.sessions.size]).toEqual([1, 1])
    await time.advance(12 * MINUTE)
    expect([alice.sessions.size, bob.sessions.size]).toEqual([0, 0])
  })

  it('MSG-1 are renewed every hour, and the old one serves while no new one can be opened', async () => {
    const { node, time } = house()
    let attempts = 0
    let isBlocked = false
    const wrap = (mesh: Mesh): Mesh =>
      decorate(mesh, {
        request: (...args) => {
          if (args[1] === '/askee/session/open/1') attempts += 1
          if (args[1] !== '/askee/session/open/1' || !isBlocked) return mesh.request(...args)
          return Promise.reject(new AskeeError('mesh/unreachable', 'blocked'))
        },
      })
    const [alice, bob] = [await node({ wrap }), await node()]
    echo(bob)
    const sids = new Set<string>()
    const talkFor = async (minutes: number): Promise<void> => {
      for (let minute = 0; minute < minutes; minute += 5) {
        await say(alice, bob, 'on')
        sids.add((await alice.sessions.to(bob.id, 'test')).context.sid)
        await time.advance(5 * MINUTE)
      }
    }
    await talkFor(55)
    expect([attempts, sids.size]).toEqual([1, 1])
    isBlocked = true
    await talkFor(30)
    expect(sids.size).toBe(1)
    attempts = 0
    for (let i = 0; i < 20; i++) await say(alice, bob, 'on')
    expect(attempts).toBeLessThanOrEqual(1)
    isBlocked = false
    await talkFor(15)
    expect(sids.size).toBe(2)
  })

  it('MSG-1 end after two hours although no new one can be opened', async () => {
    const { node, time } = house()
    let isBlocked = false
    const wrap = (mesh: Mesh): Mesh =>
      decorate(mesh, {
        request: (...args) =>
          args[1] === '/askee/session/open/1' && isBlocked
            ? Promise.reject(new AskeeError('mesh/unreachable', 'blocked'))
            : mesh.request(...args),
      })
    const [alice, bob] = [await node({ wrap }), await node()]
    echo(bob)
    await say(alice, bob, 'on')
    isBlocked = true
    for (let minute = 0; minute < 120; minute += 5) {
      expect(await say(alice, bob, 'on')).toBe('on heard')
      await time.advance(5 * MINUTE)
    }
    expect((await failure(say(alice, bob, 'on'))).code).toBe('mesh/unreachable')
    expect([alice.sessions.size, bob.sessions.size]).toEqual([0, 0])
    isBlocked = false
    expect(await say(alice, bob, 'on')).toBe('on heard')
  })

  it('MSG-1 outlive the refusal of one message', async () => {
    const { node, time } = house()
    const wire = meddler()
    const [alice, bob] = [await node({ wrap: wire.wrap }), await node()]
    const heard = echo(bob)
    await say(alice, bob, 'one')
    const { sid } = (await alice.sessions.to(bob.id, 'test')).context
    // Held up on its way for longer than a message may be.
    wire.next = async (...args) => {
      await time.advance(5 * MINUTE + 1)
      return alice.mesh.request(...args)
    }
    expect(await say(alice, bob, 'two', { timeout: 10 * MINUTE })).toBe('two heard')
    // Overtaken by more than the window.
    wire.next = async (...args) => {
      for (let i = 0; i < 70; i++) await say(alice, bob, 'fast')
      return alice.mesh.request(...args)
    }
    expect(await say(alice, bob, 'slow')).toBe('slow heard')
    expect((await alice.sessions.to(bob.id, 'test')).context.sid).toBe(sid)
    expect(heard.filter((text) => text !== 'fast')).toEqual(['one', 'two', 'slow'])
  })

  it.each([
    ['bare', 'say \u001b[2J', 'mesh/unreachable', 'mesh/refused'],
    ['in the session', 'no \u001b[2J', 'mesh/unreachable', 'codec/schema'],
  ])('NET-5 tell nothing of a peer but codes (%s)', async (where, text, code, told) => {
    const { node } = house()
    const wire = meddler()
    const [alice, bob] = [await node({ wrap: wire.wrap }), await node()]
    echo(bob)
    if (where === 'bare') {
      const refuse = async (): Promise<Uint8Array> => {
        wire.next = refuse
        throw new AskeeError('mesh/refused', 'refused', { code: text })
      }
      wire.next = refuse
    }
    expect(await failure(say(alice, bob, text))).toEqual({ code, told })
  })

  it('MSG-1 are bounded for each peer and in all, without ending what is in use for a stranger', async () => {
    const { node, time } = house()
    // Three for strangers.
    const limits = { acceptedPerPeer: 2, sessions: 12 }
    const [alice, erin] = [await node(), await node()]
    const bob = await node({ sessions: { limits }, isKnown: (peer) => peer === erin.id })
    const heard = echo(bob)
    for (const text of ['one', 'two', 'three', 'four']) {
      await say(alice, bob, text)
      alice.sessions.endAll('forgotten')
      expect(bob.sessions.size).toBeLessThanOrEqual(2)
    }
    const [carol, dave] = [await node(), await node()]
    await say(carol, bob, 'five')
    expect(bob.sessions.size).toBe(3)
    expect((await failure(say(dave, bob, 'six'))).told).toBe('session/limit')
    echo(dave)
    expect(await say(bob, dave, 'to a stranger')).toBe('to a stranger heard')
    expect(await say(erin, bob, 'known')).toBe('known heard')
    heard.splice(5, 1)
    expect(bob.sessions.size).toBe(5)
    await time.advance(61_000)
    expect(await say(dave, bob, 'seven')).toBe('seven heard')
    expect(bob.sessions.size).toBe(5)
    expect(heard).toEqual(['one', 'two', 'three', 'four', 'five', 'seven'])
  })

  it('MSG-2 of paranoid mode have two layers, what is not critical is frozen, and goes on afterwards', async () => {
    const { node } = house()
    const owner = await node()
    const bob = await node({ owner: owner.identity, critical: ['test/'] })
    const carol = await node({ owner: owner.identity })
    const alice = await node()
    for (const one of [bob, carol]) echo(one)
    await say(alice, bob, 'one')
    await say(alice, carol, 'one')
    let sequence = 1
    const alert = async (action: 'enter' | 'leave', to: SessionNode): Promise<void> => {
      const at = 1_700_000_000_000
      await to.conversations.alert(
        signAlert(owner.identity, { action, node: to.id, sequence: sequence++, at, reason: 'drill' }),
      )
    }
    await alert('enter', bob)
    await alert('enter', carol)
    expect([bob.sessions.size, carol.sessions.size]).toEqual([0, 0])
    expect(await say(alice, bob, 'two')).toBe('two heard')
    expect((await alice.sessions.to(bob.id, 'test')).layers).toBe('double')
    expect((await failure(say(alice, carol, 'two'))).told).toBe('paranoid/frozen')
    expect((await failure(say(carol, alice, 'two'))).told).toBe('paranoid/frozen')
    await alert('leave', carol)
    expect(await say(alice, carol, 'three')).toBe('three heard')
    expect((await alice.sessions.to(carol.id, 'test')).layers).toBe('single')
  })
})
