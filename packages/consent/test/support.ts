import { errorCode, systemRandom } from '@askee/core'
import { createIdentity, type Identity } from '@askee/keys'
import fc from 'fast-check'
import { type ConsentTerms, DATA_CATEGORIES, TASK_KINDS } from '../src/index.ts'
import { toPayload } from '../src/token/claims.ts'
import { grantConsent, type SignedConsent } from '../src/token/grant.ts'
import { signJws } from '../src/token/jws.ts'

export const NOW = 1_700_000_000_000

export const volunteer = createIdentity(systemRandom)
export const node = createIdentity(systemRandom)
export const requester = createIdentity(systemRandom)
export const stranger = createIdentity(systemRandom)

export const TERMS: ConsentTerms = {
  permissions: {
    resources: { cpuPercentMax: 50, ramMbMax: 64, storageGbMax: 1, bandwidthMbpsMax: 10 },
    tasks: { kinds: ['scientific-compute', 'data-processing'], minReputation: 0, maxDurationHours: 1 },
    monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
  },
  purposes: ['counting primes', 'counting them again'],
  data: ['task', 'machine'],
  lifetime: 3_600_000,
  maxRenewals: 3,
}

let drawn = 0
/** A fresh token id. */
export function freshId(): string {
  return (++drawn).toString(16).padStart(32, '0')
}

/** A token of the volunteer for the requester on the node. */
export function granted(terms: Partial<ConsentTerms> = {}, now = NOW): SignedConsent {
  return grantConsent(volunteer, {
    id: freshId(),
    now,
    subject: node.id,
    audience: requester.id,
    terms: { ...TERMS, ...terms },
    textDigest: 'ab'.repeat(32),
    manifest: 'cd'.repeat(32),
    epoch: 0,
    status: { list: 'askee://list', index: 7 },
  })
}

export const expected = { subject: node.id, audience: requester.id }

/** A token that says what nobody may say, properly signed by `by`. */
export function forged(
  change: Record<string, unknown>,
  by: Identity = volunteer,
  of: SignedConsent = granted(),
): string {
  return signJws(by, 'consent+jwt', { ...toPayload(of.claims), iss: by.id, ...change } as { iss: string })
}

/** The code that `body` throws, or undefined. */
export function codeOf(body: () => unknown): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })

/** Any terms that a grant may have. */
export const anyTerms: fc.Arbitrary<ConsentTerms> = fc.record({
  permissions: fc.record({
    resources: fc.record({
      cpuPercentMax: upTo(100),
      ramMbMax: upTo(1000),
      storageGbMax: upTo(10),
      bandwidthMbpsMax: upTo(100),
    }),
    tasks: fc.record({
      kinds: fc.subarray([...TASK_KINDS], { minLength: 1 }),
      minReputation: fc.integer({ min: 0, max: 10 }).map((n) => n / 10),
      maxDurationHours: upTo(48),
    }),
    monitoring: fc.record({
      userActivityYield: fc.boolean(),
      resourceMonitoring: fc.boolean(),
      auditLogging: fc.boolean(),
    }),
  }),
  purposes: fc.subarray(['primes', 'proteins', 'weather', 'stars'], { minLength: 1 }),
  data: fc.subarray([...DATA_CATEGORIES]),
  lifetime: fc.integer({ min: 1, max: 10_000 }).map((s) => s * 1000),
  maxRenewals: fc.integer({ min: 0, max: 31 }),
})
