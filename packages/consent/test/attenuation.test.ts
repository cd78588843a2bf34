import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attenuateConsent, type ConsentTerms, differences, meet, verifyConsent } from '../src/index.ts'
import { verifyCertificate } from '../src/revocation/certificate.ts'
import { permissionsPayload } from '../src/terms.ts'
import { type ConsentClaims, termsOf, toPayload } from '../src/token/claims.ts'
import { renewConsent } from '../src/token/grant.ts'
import {
  anyTerms,
  codeOf,
  expected,
  forged,
  freshId,
  granted,
  NOW,
  node,
  stranger,
  TERMS,
  volunteer,
} from './support.ts'

const STATUS = { list: 'askee://child', index: 1 }

/** Any narrowing or its attempt to widen, as a person or a holder might choose. */
const anyChoices = anyTerms.map(
  ({ permissions: { resources, tasks, monitoring }, purposes, data, maxRenewals }) => ({
    ...resources,
    kinds: tasks.kinds,
    minReputation: tasks.minReputation,
    maxDurationHours: tasks.maxDurationHours,
    resourceMonitoring: monitoring.resourceMonitoring,
    purposes,
    data,
    maxRenewals,
  }),
)

/** The terms of `asked` that are within `limit`, and the limit's where they are not. */
function within(limit: ConsentTerms, asked: ConsentTerms): ConsentTerms {
  const { resources, tasks, monitoring } = asked.permissions
  const choices = { ...resources, ...tasks, resourceMonitoring: monitoring.resourceMonitoring }
  const { purposes, data, lifetime, maxRenewals } = asked
  try {
    return meet(limit, { ...choices, purposes, data, lifetime, maxRenewals })
  } catch {
    // Nothing is left of kinds or purposes.
    return meet(limit, { ...choices, data, lifetime, maxRenewals, kinds: limit.permissions.tasks.kinds })
  }
}

function wider(before: ConsentTerms, after: ConsentTerms): readonly string[] {
  return differences(before, after)
    .filter(({ effect }) => effect === 'wider')
    .map(({ field }) => field)
}

describe('attenuation', () => {
  it('CON-3 grants the meet: never more than was asked, never more than was chosen', () => {
    fc.assert(
      fc.property(anyTerms, anyChoices, (asked, choices) => {
        let terms: ConsentTerms
        try {
          terms = meet(asked, choices)
        } catch {
          return
        }
        expect(wider(asked, terms)).toEqual([])
        const { resources, tasks, monitoring } = terms.permissions
        expect(resources.cpuPercentMax).toBeLessThanOrEqual(choices.cpuPercentMax)
        expect(tasks.minReputation).toBeGreaterThanOrEqual(choices.minReputation)
        expect(tasks.kinds.every((kind) => choices.kinds.includes(kind))).toBe(true)
        expect(terms.data.every((item) => choices.data.includes(item))).toBe(true)
        expect(monitoring.resourceMonitoring && !choices.resourceMonitoring).toBe(false)
        expect(meet(terms, choices)).toEqual(terms)
      }),
      { numRuns: 200 },
    )
  })

  it('CON-6 names a difference exactly where two terms differ, and calls each wider in one direction alone', () => {
    fc.assert(
      fc.property(anyTerms, anyTerms, (a, b) => {
        const there = differences(a, b)
        const back = differences(b, a)
        expect(back.length).toBe(there.length)
        expect(differences(a, a)).toEqual([])
        expect(there.filter(({ effect }) => effect === 'wider').length).toBe(
          back.filter(({ effect }) => effect === 'narrower').length,
        )
      }),
      { numRuns: 200 },
    )
  })

  it('CON-4 lets no chain of children allow more than any token above', () => {
    fc.assert(
      fc.property(anyTerms, fc.array(anyChoices, { minLength: 1, maxLength: 2 }), (terms, narrowings) => {
        let { token } = granted(terms)
        for (const choices of narrowings) {
          try {
            token = attenuateConsent(node, token, { id: freshId(), now: NOW, choices, status: STATUS }).token
          } catch (error) {
            expect(error).toMatchObject({ code: 'consent/limits' })
            return
          }
        }
        const consent = verifyConsent(token, expected, NOW)
        expect(consent.grantor).toBe(volunteer.id)
        for (const parent of consent.ancestors) {
          expect(wider({ ...termsOf(parent), lifetime: 0 }, { ...termsOf(consent), lifetime: 0 })).toEqual([])
          expect(consent.expires).toBeLessThanOrEqual(parent.expires)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('CON-4 refuses a child that widens any one term, properly signed by the holder as it is', () => {
    const parent = granted()
    const child = attenuateConsent(node, parent.token, {
      id: freshId(),
      now: NOW,
      choices: {},
      status: STATUS,
    })
    const own = toPayload(child.claims)
    const widenings: readonly [what: string, change: Record<string, unknown>, code: string][] = [
      ['memory', { resources: { ...own.resources, ram_mb_max: 65 } }, 'consent/widened'],
      ['processor', { resources: { ...own.resources, cpu_percent_max: 51 } }, 'consent/widened'],
      ['storage', { resources: { ...own.resources, storage_gb_max: 1.5 } }, 'consent/widened'],
      ['network', { resources: { ...own.resources, bandwidth_mbps_max: 11 } }, 'consent/widened'],
      ['a kind', { tasks: { ...own.tasks, kinds: ['ml-training'] } }, 'consent/widened'],
      ['duration', { tasks: { ...own.tasks, max_duration_hours: 2 } }, 'consent/widened'],
      ['yielding', { monitoring: { ...own.monitoring, user_activity_yield: false } }, 'consent/widened'],
      ['writing down', { monitoring: { ...own.monitoring, audit_logging: false } }, 'consent/widened'],
      ['a purpose', { purpose: ['selling it'] }, 'consent/widened'],
      ['data', { data: ['personal'] }, 'consent/widened'],
      ['renewals', { max_renewals: 4 }, 'consent/widened'],
      ['end', { exp: own.exp + 1 }, 'consent/widened'],
      ['beginning', { nbf: own.nbf - 1 }, 'consent/widened'],
      ['another requester', { aud: stranger.id }, 'consent/widened'],
      ['another node', { sub: stranger.id }, 'consent/widened'],
      ['another text', { policy_hash: '00'.repeat(32) }, 'consent/widened'],
    ]
    for (const [what, change, code] of widenings) {
      const bad = forged(change, node, child)
      expect([what, codeOf(() => verifyConsent(bad, expected, NOW))]).toEqual([what, code])
    }
    expect(codeOf(() => verifyConsent(forged({}, node, child), expected, NOW))).toBeUndefined()
  })

  it('CON-4 refuses a child that its parent was not given to, and a chain that is too long', () => {
    const parent = granted()
    const child = attenuateConsent(node, parent.token, {
      id: freshId(),
      now: NOW,
      choices: {},
      status: STATUS,
    })
    expect(codeOf(() => verifyConsent(forged({}, stranger, child), expected, NOW))).toBe('consent/chain')
    const strange = { id: freshId(), now: NOW, choices: {}, status: STATUS }
    expect(codeOf(() => attenuateConsent(stranger, parent.token, strange))).toBe('consent/chain')
    let { token } = parent
    for (let depth = 2; depth <= 3; depth++) {
      token = attenuateConsent(node, token, { id: freshId(), now: NOW, choices: {}, status: STATUS }).token
    }
    expect(verifyConsent(token, expected, NOW).ancestors).toHaveLength(2)
    const tooDeep = { id: freshId(), now: NOW, choices: {}, status: STATUS }
    expect(codeOf(() => attenuateConsent(node, token, tooDeep))).toMatch(/^consent\/(depth|malformed)$/)
  })

  it('CON-6 renews only within what was granted, and as often as was agreed', () => {
    const first = granted({ maxRenewals: 1 })
    const now = NOW + 60_000
    const terms = { ...TERMS, maxRenewals: 0 }
    const next = renewConsent(volunteer, first.claims, [first.claims.id], { id: freshId(), now, terms })
    expect(next.claims).toMatchObject({
      renewOf: first.claims.id,
      maxRenewals: 0,
      expires: now + TERMS.lifetime,
    })
    const again = { id: freshId(), now, terms }
    expect(codeOf(() => renewConsent(volunteer, next.claims, [], again))).toBe('consent/renewals')
    const more = { ...again, terms: { ...terms, data: ['personal' as const] } }
    expect(codeOf(() => renewConsent(volunteer, first.claims, [], more))).toBe('consent/widened')
    const longer = { ...again, terms: { ...terms, lifetime: TERMS.lifetime + 1000 } }
    expect(codeOf(() => renewConsent(volunteer, first.claims, [], longer))).toBe('consent/widened')
  })

  it('CON-4 takes a child of a holder exactly when no term of it is wider than any parent allows', () => {
    let taken = 0
    const claims = fc.record({
      terms: anyTerms,
      child: anyTerms,
      depth: fc.constantFrom(1, 2),
      narrow: fc.boolean(),
    })
    fc.assert(
      fc.property(claims, ({ terms, child, depth, narrow }) => {
        let parent = granted(terms)
        if (depth === 2) {
          const draft = { id: freshId(), now: NOW, choices: {}, status: STATUS }
          parent = attenuateConsent(node, parent.token, draft)
        }
        const draft = { id: freshId(), now: NOW, choices: {}, status: STATUS }
        const own = attenuateConsent(node, parent.token, draft)
        // Half of them are narrower by construction: else almost every child is refused.
        const said = narrow ? within(terms, child) : child
        const payload = { ...permissionsPayload(said), max_renewals: said.maxRenewals }
        const isWider = wider({ ...termsOf(parent.claims), lifetime: 0 }, { ...said, lifetime: 0 }).length > 0
        const code = codeOf(() => verifyConsent(forged(payload, node, own), expected, NOW))
        expect(code).toBe(isWider ? 'consent/widened' : undefined)
        if (!isWider) taken++
      }),
      { numRuns: 120 },
    )
    expect(taken).toBeGreaterThan(10)
  })

  it('CON-6 lets no chain of renewals widen anything, outlive its terms or go on longer than was agreed', () => {
    const step = fc.record({
      terms: anyTerms,
      after: fc.integer({ min: 0, max: 5000 }),
      honest: fc.boolean(),
    })
    fc.assert(
      fc.property(anyTerms, fc.array(step, { maxLength: 8 }), (terms, steps) => {
        const first = granted({ ...terms, lifetime: 10_000_000 })
        const line = [first.claims]
        let now = NOW
        for (const { terms: asked, after, honest } of steps) {
          now += after
          const before = line[0] as ConsentClaims
          const limit = termsOf(before)
          const next = honest ? { ...within(limit, asked), maxRenewals: before.maxRenewals - 1 } : asked
          const renew = () =>
            renewConsent(
              volunteer,
              before,
              line.map(({ id }) => id),
              { id: freshId(), now, terms: next },
            )
          const code = codeOf(renew)
          const isWider = wider({ ...limit, maxRenewals: before.maxRenewals - 1 }, next).length > 0
          expect(code).toBe(
            before.maxRenewals < 1 ? 'consent/renewals' : isWider ? 'consent/widened' : undefined,
          )
          if (code !== undefined) continue
          const { claims, certificate } = renew()
          expect(claims.expires).toBeLessThanOrEqual(now + next.lifetime)
          for (const earlier of line) {
            const [old, renewed] = [termsOf(earlier), termsOf(claims)]
            expect(wider({ ...old, lifetime: 0 }, { ...renewed, lifetime: 0 })).toEqual([])
          }
          line.unshift(claims)
          // One certificate ends all of the line.
          expect(verifyCertificate(certificate).consents).toEqual([
            expect.any(String),
            ...line.slice(1).map(({ id }) => id),
          ])
        }
        expect(line.length - 1).toBeLessThanOrEqual(first.claims.maxRenewals)
      }),
      { numRuns: 80 },
    )
  })
})
