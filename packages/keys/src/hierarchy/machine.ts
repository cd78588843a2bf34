import type { Timestamp } from '@askee/core'
import { activeKey, type ChainEffect, type ChainEvent, type ChainState, type KeyRecord } from './chain.ts'
import { type KeyState, transitionNumber } from './states.ts'

/** Destroyed keys that stay in the history of a chain. */
const MAX_HISTORY = 16

interface Step {
  readonly state: ChainState
  readonly effects: readonly ChainEffect[]
}

/**
 * One chain of keys. Pure: time arrives in events. Every change of a key's state is one of `TRANSITIONS`.
 *
 * A key that was told to others stays openable until `expires + grace`, because a sender who heard of nothing newer may
 * use it until `expires`; only an emergency ends it before.
 */
export function stepChain(state: ChainState, event: ChainEvent): Step {
  switch (event.type) {
    case 'loaded': {
      const effects: ChainEffect[] = [
        ...state.keys.filter(isDead).map(({ kid }): ChainEffect => ({ type: 'destroy', kid })),
        ...state.revocations.map((revocation): ChainEffect => ({ type: 'revoke', revocation })),
        ...state.keys
          .filter(({ state: at }) => at === 'pre-active' || at === 'active')
          .map(({ kid }): ChainEffect => ({ type: 'publish', kid })),
      ]
      return after(settle({ ...state, making: null }, event.now), effects)
    }
    case 'tick':
      return settle(state, event.now)
    case 'made':
      return made(state, event)
    case 'rotate':
      return rotated(state, event.now)
    case 'compromised':
      return compromised(state, event)
    case 'secret-gone':
      return { state: secretGone(state, event.kid), effects: [] }
  }
}

function after(step: Step, effects: readonly ChainEffect[]): Step {
  return { state: step.state, effects: [...effects, ...step.effects] }
}

/** Lets time pass: every key into the state that `now` asks for, and a successor when one is due. */
function settle(state: ChainState, now: Timestamp): Step {
  let keys = state.keys.map((key) => timed(key, state.policy.grace, now))
  const newest = Math.max(0, ...keys.filter(({ state: at }) => at === 'active').map((key) => key.sequence))
  keys = keys.map((key) => (key.state === 'active' && key.sequence < newest ? move(key, 'grace') : key))
  const effects = newlyDead(state.keys, keys)
  const revocations = state.revocations.filter(({ until }) => until > now)
  const settled: ChainState = { ...state, keys, revocations }
  if (!needsSuccessor(settled, now)) return { state: settled, effects }
  const next = makeAt(settled, Math.max(now, activeKey(settled)?.expires ?? now), now)
  return { state: next, effects: [...effects, ...makeEffects(next)] }
}

function timed(key: KeyRecord, grace: number, now: Timestamp): KeyRecord {
  if (key.state === 'pre-active' && key.notBefore <= now) return timed(move(key, 'active'), grace, now)
  if (key.state === 'active' && key.expires <= now) return timed(move(key, 'grace'), grace, now)
  if (key.state === 'grace' && key.expires + grace <= now) return move(key, 'retired')
  return key
}

function needsSuccessor(state: ChainState, now: Timestamp): boolean {
  if (state.making !== null || state.keys.some((key) => key.state === 'pre-active')) return false
  const active = activeKey(state)
  return active === undefined || active.expires - state.policy.lead <= now
}

/**
 * Asks for a key. Its sequence follows the clock, so that a node that lost its chain goes on above what others know of it,
 * and never goes back, whatever the clock does.
 */
function makeAt(state: ChainState, notBefore: Timestamp, now: Timestamp): ChainState {
  const previous = state.keys.at(-1)?.kid ?? null
  const expires = notBefore + state.policy.activeFor
  const sequence = Math.max(state.nextSequence, now)
  return { ...state, nextSequence: sequence + 1, making: { sequence, notBefore, expires, previous } }
}

function makeEffects({ making }: ChainState): ChainEffect[] {
  return making === null ? [] : [{ type: 'make', ...making }]
}

function rotated(state: ChainState, now: Timestamp): Step {
  const next = makeAt(state, now, now)
  return after(settle(next, now), makeEffects(next))
}

function made(state: ChainState, event: Extract<ChainEvent, { type: 'made' }>): Step {
  const { making } = state
  // A key that was asked for before an emergency or a restart is no longer wanted.
  if (making?.sequence !== event.sequence) return { state, effects: [{ type: 'destroy', kid: event.kid }] }
  const { kid, publicKey } = event
  const key: KeyRecord = { kid, publicKey, state: 'pre-active', ...making }
  const held = { ...state, keys: [...state.keys, key], making: null }
  return after(settle(held, event.now), [{ type: 'publish', kid }])
}

function compromised(state: ChainState, event: Extract<ChainEvent, { type: 'compromised' }>): Step {
  const { now, reason } = event
  const struck = state.keys.filter(({ state: at }) => at !== 'destroyed' && at !== 'compromised')
  const keys = state.keys.map((key) => (struck.includes(key) ? move(key, 'compromised') : key))
  const until = Math.max(now, ...struck.map((key) => key.expires)) + state.policy.grace
  const revocation = {
    sequence: state.nextSequence - 1,
    kids: struck.map((key) => key.kid),
    revokedAt: now,
    until,
    reason,
  }
  const next = makeAt({ ...state, keys, revocations: [...state.revocations, revocation] }, now, now)
  return {
    state: next,
    effects: [
      { type: 'revoke', revocation },
      ...struck.map(({ kid }): ChainEffect => ({ type: 'destroy', kid })),
      ...makeEffects(next),
    ],
  }
}

function secretGone(state: ChainState, kid: string): ChainState {
  const keys = state.keys.map((key) => (key.kid === kid && isDead(key) ? move(key, 'destroyed') : key))
  const destroyed = keys.filter((key) => key.state === 'destroyed')
  const forgotten = new Set(destroyed.slice(0, Math.max(0, destroyed.length - MAX_HISTORY)))
  return { ...state, keys: keys.filter((key) => !forgotten.has(key)) }
}

function newlyDead(before: readonly KeyRecord[], now: readonly KeyRecord[]): ChainEffect[] {
  return now
    .filter((key, i) => isDead(key) && before[i]?.state !== key.state)
    .map(({ kid }) => ({ type: 'destroy', kid }))
}

/** Nothing is opened with it again: its secret has to go. */
function isDead({ state }: KeyRecord): boolean {
  return state === 'retired' || state === 'compromised'
}

function move(key: KeyRecord, to: KeyState): KeyRecord {
  if (transitionNumber(key.state, to) === undefined)
    throw new RangeError(`no transition ${key.state} → ${to}`)
  return { ...key, state: to }
}
