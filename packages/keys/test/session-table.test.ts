import { errorCode, type NodeId, systemRandom as random } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { makeSid } from '../src/sessions/handshake.ts'
import { Session, type SessionInit } from '../src/sessions/session.ts'
import { SESSION_LIMITS, SessionTable } from '../src/sessions/table.ts'
import { sessionPair } from './support/session-pair.ts'

const { sessions: PLACES, spareAfter } = SESSION_LIMITS
const STRANGERS = PLACES / 4
const ACCEPTED = (3 * PLACES) / 4

interface Table {
  readonly time: VirtualTime
  readonly table: SessionTable
  /** A session with a peer of this name, or the code that it was refused with. */
  add(name: string, role?: SessionInit['role']): Session | string
  /** As many peers as that, one session each; how many were taken. */
  crowd(kind: string, count: number, role?: SessionInit['role']): number
  left(kind: string): number
}

/** Peers whose names begin with `friend` are known. */
function table(): Table {
  const time = new VirtualTime(1_700_000_000_000)
  const { a, alice, keys } = sessionPair(time)
  const made = new SessionTable(SESSION_LIMITS, (peer) => peer.startsWith('friend'))
  const add: Table['add'] = (name, role = 'responder') => {
    const peer = name as NodeId
    const [initiator, responder] = role === 'responder' ? [peer, alice.id] : [alice.id, peer]
    const context = { ...a.context, sid: makeSid(random), initiator, responder }
    const span = { renewAfter: SESSION_LIMITS.renewAfter, lifetime: SESSION_LIMITS.lifetime }
    const session = new Session({ context, role, keys, window: 0, peerSequence: 1, ...span }, alice, time)
    try {
      made.add(session)
      return session
    } catch (error) {
      return errorCode(error) ?? String(error)
    }
  }
  return {
    time,
    table: made,
    add,
    crowd: (kind, count, role) =>
      Array.from({ length: count }, (_, i) => add(`${kind} ${i}`, role)).filter(
        (session) => session instanceof Session,
      ).length,
    left: (kind) => made.all().filter(({ peer }) => peer.startsWith(kind)).length,
  }
}

describe('the places of sessions', () => {
  it('MSG-1 are not all for strangers, however many identities they have and keep busy', () => {
    const { add, crowd, left, table: held } = table()
    expect(crowd('stranger', PLACES + 100)).toBe(STRANGERS)
    expect(add('stranger again')).toBe('session/limit')
    // This node opens its own, and those with whom it has business open theirs.
    expect(crowd('mine', PLACES - ACCEPTED, 'initiator')).toBe(PLACES - ACCEPTED)
    expect(crowd('friend', ACCEPTED - STRANGERS)).toBe(ACCEPTED - STRANGERS)
    expect(held.size).toBe(PLACES)
    expect(left('stranger')).toBe(STRANGERS)
  })

  it('MSG-1 are given up by strangers for who is known, in use or not, and never the other way', async () => {
    const { time, add, crowd, left, table: held } = table()
    crowd('stranger', STRANGERS)
    crowd('friend', ACCEPTED)
    expect([left('stranger'), left('friend')]).toEqual([0, ACCEPTED])
    expect([add('friend more'), add('stranger more')]).toEqual(['session/limit', 'session/limit'])
    crowd('mine', PLACES - ACCEPTED, 'initiator')
    expect(add('mine more', 'initiator')).toBe('session/limit')
    await time.advance(spareAfter)
    // What is spare makes room for its like and for who stands above it.
    expect(add('stranger more')).toBe('session/limit')
    expect(add('friend more')).toBeInstanceOf(Session)
    expect(add('mine more', 'initiator')).toBeInstanceOf(Session)
    expect([held.size, left('mine')]).toEqual([PLACES, PLACES - ACCEPTED + 1])
  })

  it('MSG-1 that are spare go to the next stranger', async () => {
    const { time, add, crowd, left } = table()
    crowd('stranger', STRANGERS)
    expect(add('newcomer')).toBe('session/limit')
    await time.advance(spareAfter)
    expect(add('newcomer')).toBeInstanceOf(Session)
    expect(left('stranger')).toBe(STRANGERS - 1)
  })
})
