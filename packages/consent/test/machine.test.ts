import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ConsentAction, type ConsentState, type ConsentTerms, differences } from '../src/index.ts'
import { closedBecause, isOpen, step, UNKNOWN } from '../src/life/machine.ts'
import { anyTerms, TERMS } from './support.ts'

const digest = (text: string): string => text.repeat(64).slice(0, 64)

/** Actions in any order, at any time, right and wrong. */
const anyAction: fc.Arbitrary<(now: number) => ConsentAction> = fc.oneof(
  anyTerms.map((terms) => (now: number) => ({
    type: 'Invite' as const,
    now,
    asked: { manifest: digest('a'), terms, until: now + 5000 },
  })),
  fc.tuple(fc.option(anyTerms), fc.constantFrom('b', 'c')).map(([terms, text]) => (now: number) => ({
    type: 'Review' as const,
    now,
    shown: { terms: terms ?? TERMS, textDigest: digest(text) },
  })),
  fc
    .tuple(fc.constantFrom('b', 'c'), fc.integer({ min: 1, max: 20_000 }), fc.integer())
    .map(([text, life, id]) => (now: number) => ({
      type: 'Grant' as const,
      now,
      textDigest: digest(text),
      token: String(id),
      expires: now + life,
    })),
  fc
    .tuple(anyTerms, fc.integer({ min: 1, max: 20_000 }), fc.integer())
    .map(([terms, life, id]) => (now: number) => ({
      type: 'Renew' as const,
      now,
      terms,
      token: String(id),
      expires: now + life,
    })),
  fc
    .constantFrom(
      'Refuse' as const,
      'Suspend' as const,
      'Resume' as const,
      'Revoke' as const,
      'Expire' as const,
    )
    .map((type) => (now: number) => ({ type, now })),
)

interface Visit {
  readonly now: number
  readonly action: ConsentAction
  readonly before: ConsentState
  readonly after: ConsentState
  readonly effects: readonly { readonly type: string }[]
}

/** A life: mostly on the way of a grant, so that all of it is seen. */
const anyLife: fc.Arbitrary<readonly Visit[]> = fc
  .tuple(
    anyTerms,
    fc.array(fc.tuple(anyAction, fc.integer({ min: 0, max: 3000 })), { maxLength: 25 }),
    fc.boolean(),
  )
  .map(([terms, actions, isGranted]) => {
    let now = 1_000_000
    let state: ConsentState = UNKNOWN
    const visits: Visit[] = []
    const go = (action: ConsentAction): void => {
      const { state: after, effects } = step(state, action)
      visits.push({ now, action, before: state, after, effects })
      state = after
    }
    if (isGranted) {
      const generous = { ...terms, maxRenewals: 31, lifetime: 10_000_000 }
      go({ type: 'Invite', now, asked: { manifest: digest('a'), terms: generous, until: now + 5000 } })
      go({ type: 'Review', now, shown: { terms: generous, textDigest: digest('b') } })
      go({ type: 'Grant', now, textDigest: digest('b'), token: 'first', expires: now + 20_000 })
    }
    for (const [make, pause] of actions) {
      now += pause
      go(make(now))
    }
    return visits
  })

const RUNS = { numRuns: 400 }
const given = (state: ConsentState): ConsentTerms | null =>
  'given' in state && state.given !== null ? state.given.terms : null

describe('the machine of a consent', () => {
  it('CON-3 is never live without a grant of the very text that was reviewed', () => {
    fc.assert(
      fc.property(anyLife, (visits) => {
        for (const { before, after, action, now } of visits) {
          if (isOpen(before, now) || !isOpen(after, now) || action.type === 'Resume') continue
          expect(action.type).toBe('Grant')
          expect(before.phase).toBe('reviewed')
          if (before.phase !== 'reviewed' || action.type !== 'Grant') return
          expect(action.textDigest).toBe(before.shown.textDigest)
          expect(given(after)).toEqual(before.shown.terms)
          const wider = differences(before.asked.terms, before.shown.terms).some(
            ({ effect }) => effect === 'wider',
          )
          expect(wider).toBe(false)
        }
      }),
      RUNS,
    )
  })

  it('CON-5 stays revoked, expired or refused for ever', () => {
    fc.assert(
      fc.property(anyLife, (visits) => {
        for (const { before, after, effects } of visits) {
          if (!['revoked', 'expired', 'refused'].includes(before.phase)) continue
          expect(after).toBe(before)
          expect(effects.filter(({ type }) => type !== 'reject')).toEqual([])
        }
      }),
      RUNS,
    )
  })

  it('CON-6 never widens by a renewal, nor by any step after the grant', () => {
    fc.assert(
      fc.property(anyLife, (visits) => {
        for (const { before, after } of visits) {
          const [old, now] = [given(before), given(after)]
          if (old === null || now === null) continue
          expect(differences(old, now).filter(({ effect }) => effect === 'wider')).toEqual([])
        }
      }),
      RUNS,
    )
  })

  it('CON-1 opens no door while suspended, nor after the end, and names why', () => {
    fc.assert(
      fc.property(anyLife, (visits) => {
        for (const { after, now } of visits) {
          const open = isOpen(after, now)
          expect(closedBecause(after, now) === null).toBe(open)
          if (!['granted', 'renewed'].includes(after.phase)) expect(open).toBe(false)
          if ('given' in after && after.given !== null && now >= after.given.expires) expect(open).toBe(false)
        }
      }),
      RUNS,
    )
  })

  it('CON-5 closes and kills before anything else whenever a door closes, and tells the mesh of every revocation', () => {
    fc.assert(
      fc.property(anyLife, (visits) => {
        for (const { before, after, effects, now } of visits) {
          const types = effects.map(({ type }) => type)
          if (isOpen(before, now) && !isOpen(after, now)) expect(types.slice(0, 2)).toEqual(['close', 'kill'])
          const isRevoked = before.phase !== 'revoked' && after.phase === 'revoked'
          expect(types.includes('tell')).toBe(isRevoked)
          if (isRevoked) expect(types).toContain('erase')
        }
      }),
      RUNS,
    )
  })

  it('CON-7 writes down every step that changes the phase, and changes nothing when it rejects', () => {
    fc.assert(
      fc.property(anyLife, (visits) => {
        for (const { before, after, effects } of visits) {
          const types = effects.map(({ type }) => type)
          if (before.phase !== after.phase) expect(types).toContain('record')
          if (types.includes('reject')) {
            expect(after).toBe(before)
            expect(types).toEqual(['reject'])
          }
        }
      }),
      RUNS,
    )
  })

  it('CON-3 refuses a grant that nobody has read, and one of another text', () => {
    const asked = { manifest: digest('a'), terms: TERMS, until: 10_000 }
    const invited = step(UNKNOWN, { type: 'Invite', now: 0, asked }).state
    const grant = { type: 'Grant', now: 1, textDigest: digest('b'), token: 't', expires: 1000 } as const
    expect(step(invited, grant).effects).toMatchObject([{ type: 'reject', code: 'consent/unreviewed' }])
    const shown = { terms: TERMS, textDigest: digest('c') }
    const reviewed = step(invited, { type: 'Review', now: 1, shown }).state
    expect(step(reviewed, grant).effects).toMatchObject([{ type: 'reject', code: 'consent/text' }])
    expect(step(reviewed, { ...grant, textDigest: digest('c') }).state.phase).toBe('granted')
    const late = { ...grant, textDigest: digest('c'), now: 10_000 }
    expect(step(reviewed, late).effects).toMatchObject([{ type: 'reject', code: 'consent/expired' }])
  })
})
