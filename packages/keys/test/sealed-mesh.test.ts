import { AskeeError, type RequestHandler, utf8 } from '@askee/core'
import { eventually } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { echo, failure, house, MINUTE, meddler, say, tapped } from './support/sealed-house.ts'
import { LIMITS, type SessionNode, TALK } from './support/session-node.ts'

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
