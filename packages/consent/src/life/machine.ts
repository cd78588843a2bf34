import { errorText, type Timestamp } from '@askee/core'
import { assertWithin } from '../meet.ts'
import { type ConsentTerms, MAX_LIFETIME_MS } from '../terms.ts'
import type {
  ClosingCode,
  ConsentAct,
  ConsentAction,
  ConsentEffect,
  ConsentState,
  Given,
  RejectionCode,
} from './state.ts'

export interface ConsentStep {
  readonly state: ConsentState
  readonly effects: readonly ConsentEffect[]
}

export const UNKNOWN: ConsentState = { phase: 'unknown' }

type Of<Type extends ConsentAction['type']> = ConsentAction & { type: Type }

/**
 * The life of one consent:
 *
 *     unknown → invited → reviewed → granted ⇄ suspended
 *                  ↓          ↓         ↓ ↘        ↓
 *               refused    refused   renewed …   revoked | expired
 *
 * Revoked, expired and refused are final: what comes after is another consent. Pure; an action that is not possible
 * changes nothing and says why.
 */
export function step(state: ConsentState, action: ConsentAction): ConsentStep {
  switch (action.type) {
    case 'Invite':
      return invite(state, action)
    case 'Review':
      return review(state, action)
    case 'Grant':
      return grant(state, action)
    case 'Refuse':
      if (state.phase !== 'invited' && state.phase !== 'reviewed') return wrongPhase(state, action)
      return done(
        { phase: 'refused', at: action.now, ...(action.crowded === true ? { crowded: true as const } : {}) },
        'refused',
      )
    case 'Renew':
      return renew(state, action)
    case 'Suspend':
      if (!isOpen(state, action.now)) return wrongPhase(state, action)
      return ended(
        { phase: 'suspended', given: state.given, before: state.phase },
        state.given,
        'consent/suspended',
      )
    case 'Resume':
      return resume(state, action)
    case 'Revoke':
      if (!isGiven(state)) return wrongPhase(state, action)
      return ended({ phase: 'revoked', given: state.given, at: action.now }, state.given, 'consent/revoked')
    case 'Expire':
      return expire(state, action)
    default:
      return action satisfies never
  }
}

/** Whether work may be done under it. */
export function isOpen(
  state: ConsentState,
  now: Timestamp,
): state is ConsentState & { phase: 'granted' | 'renewed' } {
  return (state.phase === 'granted' || state.phase === 'renewed') && now < state.given.expires
}

/** Why nothing may be done under it, or null when it is open. */
export function closedBecause(state: ConsentState, now: Timestamp): ClosingCode | 'consent/unknown' | null {
  if (isOpen(state, now)) return null
  if (state.phase === 'revoked' || state.phase === 'suspended') return `consent/${state.phase}`
  return isGiven(state) || state.phase === 'expired' ? 'consent/expired' : 'consent/unknown'
}

function invite(state: ConsentState, { asked, now }: Of<'Invite'>): ConsentStep {
  if (state.phase !== 'unknown') return reject(state, 'consent/phase', `it is ${state.phase} already`)
  if (now >= asked.until) return reject(state, 'consent/expired', 'the invitation has ended')
  return done({ phase: 'invited', asked }, 'invited')
}

function review(state: ConsentState, { shown, now }: Of<'Review'>): ConsentStep {
  if (state.phase !== 'invited' && state.phase !== 'reviewed') return wrongPhase(state, { type: 'Review' })
  if (now >= state.asked.until) return reject(state, 'consent/expired', 'the invitation has ended')
  const wider = beyond(shown.terms, state.asked.terms)
  if (wider !== null) return reject(state, 'consent/widened', wider)
  const again = state.phase === 'reviewed' && state.shown.textDigest === shown.textDigest
  const next: ConsentState = { phase: 'reviewed', asked: state.asked, shown }
  return again ? { state: next, effects: [] } : done(next, 'reviewed')
}

function grant(state: ConsentState, action: Of<'Grant'>): ConsentStep {
  if (state.phase === 'invited') {
    return reject(state, 'consent/unreviewed', 'nobody has been shown these terms yet')
  }
  if (state.phase !== 'reviewed') return wrongPhase(state, action)
  const { asked, shown } = state
  if (action.textDigest !== shown.textDigest) {
    return reject(
      state,
      'consent/text',
      `the text that was shown (${action.textDigest}) is not the one for these terms (${shown.textDigest})`,
    )
  }
  if (action.now >= asked.until) return reject(state, 'consent/expired', 'the invitation has ended')
  if (!isLifetime(shown.terms.lifetime) || action.expires > action.now + shown.terms.lifetime) {
    return reject(state, 'consent/limits', 'it would live longer than was agreed')
  }
  const { token, expires } = action
  const given: Given = { ...shown, manifest: asked.manifest, tokens: [token], expires }
  return {
    state: { phase: 'granted', given },
    effects: [record('granted'), { type: 'mark', status: 'valid' }, { type: 'open' }],
  }
}

function renew(state: ConsentState, action: Of<'Renew'>): ConsentStep {
  if (!isOpen(state, action.now)) return wrongPhase(state, action)
  const { given } = state
  const left = given.terms.maxRenewals
  if (left < 1) {
    return reject(state, 'consent/renewals', 'it was renewed as often as was agreed: a new grant is needed')
  }
  const wider = beyond(action.terms, { ...given.terms, maxRenewals: left - 1 })
  if (wider !== null) {
    return reject(state, 'consent/widened', `a renewal never widens, this needs a new grant: ${wider}`)
  }
  if (!isLifetime(action.terms.lifetime) || action.expires > action.now + action.terms.lifetime) {
    return reject(state, 'consent/limits', 'it would live longer than was agreed')
  }
  const { terms, token, expires } = action
  const next: Given = { ...given, terms, tokens: [token, ...given.tokens], expires }
  return {
    state: { phase: 'renewed', given: next },
    effects: [record('renewed'), { type: 'open' }],
  }
}

function resume(state: ConsentState, action: Of<'Resume'>): ConsentStep {
  if (state.phase !== 'suspended' || action.now >= state.given.expires) return wrongPhase(state, action)
  return {
    state: { phase: state.before, given: state.given },
    effects: [record('resumed'), { type: 'mark', status: 'valid' }, { type: 'open' }],
  }
}

function expire(state: ConsentState, { now }: Of<'Expire'>): ConsentStep {
  if (state.phase === 'invited' || state.phase === 'reviewed') {
    if (now < state.asked.until) return { state, effects: [] }
    return done({ phase: 'expired', given: null, at: now }, 'expired')
  }
  if (!isGiven(state) || now < state.given.expires) return { state, effects: [] }
  return ended({ phase: 'expired', given: state.given, at: now }, state.given, 'consent/expired')
}

/** Given and neither revoked nor expired. */
export function isGiven(
  state: ConsentState,
): state is ConsentState & { phase: 'granted' | 'renewed' | 'suspended' } {
  return state.phase === 'granted' || state.phase === 'renewed' || state.phase === 'suspended'
}

const CONSEQUENCES: Readonly<Record<ClosingCode, (tokens: readonly string[]) => readonly ConsentEffect[]>> = {
  'consent/revoked': (tokens) => [
    { type: 'erase', tokens },
    { type: 'mark', status: 'invalid' },
    { type: 'tell', tokens },
    record('revoked'),
  ],
  'consent/suspended': () => [{ type: 'mark', status: 'suspended' }, record('suspended')],
  'consent/expired': (tokens) => [{ type: 'erase', tokens }, record('expired')],
}

/** The door is closed and work killed before anything else is done about it (CON-5). */
function ended(state: ConsentState, { tokens }: Given, code: ClosingCode): ConsentStep {
  return {
    state,
    effects: [{ type: 'close', tokens, code }, { type: 'kill', tokens, code }, ...CONSEQUENCES[code](tokens)],
  }
}

function isLifetime(lifetime: number): boolean {
  return lifetime >= 1000 && lifetime <= MAX_LIFETIME_MS
}

function beyond(terms: ConsentTerms, limit: ConsentTerms): string | null {
  try {
    assertWithin(terms, limit)
    return null
  } catch (error) {
    return errorText(error)
  }
}

function done(state: ConsentState, act: ConsentAct): ConsentStep {
  return { state, effects: [record(act)] }
}

function record(act: ConsentAct): ConsentEffect {
  return { type: 'record', act }
}

/** What hinders an action, where the name of the phase does not say it. */
function hindrance({ phase }: ConsentState, type: ConsentAction['type']): string {
  if (phase === 'unknown') return 'not known'
  if (phase === 'invited' || phase === 'reviewed') return 'an offer that nobody has granted'
  if (phase !== 'granted' && phase !== 'renewed') return phase
  if (type === 'Resume') return 'not suspended'
  return type === 'Suspend' ? 'past its time' : 'granted already'
}

function wrongPhase(state: ConsentState, action: { readonly type: ConsentAction['type'] }): ConsentStep {
  return reject(
    state,
    'consent/phase',
    `${action.type.toLowerCase()} is not possible: the consent is ${hindrance(state, action.type)}`,
  )
}

function reject(state: ConsentState, code: RejectionCode, text: string): ConsentStep {
  return { state, effects: [{ type: 'reject', code, text }] }
}
