import { AskeeError, type Mesh, silentLogger, utf8 } from '@askee/core'
import { decorate, eventually } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { signAlert } from '../src/index.ts'
import { echo, failure, HOUR, house, MINUTE, meddler, say } from './support/sealed-house.ts'
import type { SessionNode } from './support/session-node.ts'

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

  it('MSG-1 are opened by no hello, answer or refusal of before', async () => {
    const { node } = house()
    const open = '/askee/session/open/1'
    const hellos: Uint8Array[] = []
    const answers: Uint8Array[] = []
    let instead: Uint8Array | undefined
    const wrap = (mesh: Mesh): Mesh =>
      decorate(mesh, {
        request: async (to, protocol, body, options) => {
          const answer = await mesh.request(to, protocol, body, options)
          if (protocol !== open) return answer
          hellos.push(Uint8Array.from(body))
          answers.push(Uint8Array.from(answer))
          return instead ?? answer
        },
      })
    const [alice, bob, carol] = [await node({ wrap }), await node(), await node()]
    const heard = echo(bob)
    await say(alice, bob, 'one')
    const [hello, accept] = [hellos[0], answers[0]] as [Uint8Array, Uint8Array]
    const brought = await failure(carol.mesh.request(bob.id, open, hello))
    expect(brought.told).toBe('session/wrong-peer')
    await alice.mesh.request(bob.id, open, hello)
    expect(bob.sessions.size).toBe(1)
    // Where the session is gone it gives one for which nobody has keys: a place of her own, and no more.
    bob.sessions.endAll('restart')
    await alice.mesh.request(bob.id, open, hello)
    expect(await say(alice, bob, 'two')).toBe('two heard')
    alice.sessions.endAll('restart')
    instead = accept
    expect((await failure(say(alice, bob, 'three'))).told).toBe('session/accept')
    instead = undefined
    const refused = { code: 'session/refused', told: 'session/conversation' }
    expect(await failure(alice.sessions.to(bob.id, 'none'))).toEqual(refused)
    instead = answers.at(-1)
    expect((await failure(alice.sessions.to(bob.id, 'none'))).code).toBe('session/accept')
    expect(heard).toEqual(['one', 'two'])
  })

  it('MSG-1 end where nobody signs what was said in them, and the log says so', async () => {
    const { node, time } = house()
    const wrap = (mesh: Mesh): Mesh =>
      decorate(mesh, {
        request: (...args) =>
          args[1] === '/askee/session/checkpoint/1'
            ? Promise.reject(new AskeeError('mesh/unreachable', 'blocked'))
            : mesh.request(...args),
      })
    const warned: object[] = []
    const logger = decorate(silentLogger, { warn: (fields) => void warned.push(fields as object) })
    const [alice, bob] = [await node({ wrap }), await node({ logger })]
    echo(bob)
    await say(alice, bob, 'one')
    await time.advance(3 * MINUTE)
    expect([bob.sessions.size, warned]).toEqual([1, []])
    await time.advance(10_000)
    expect(bob.sessions.size).toBe(0)
    expect(warned).toEqual([{ peer: alice.id, conv: 'test', why: 'session/unsigned' }])
    expect(await say(alice, bob, 'two')).toBe('two heard')
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
