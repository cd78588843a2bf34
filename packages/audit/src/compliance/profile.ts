import { AskeeError, errorText, parse } from '@askee/core'
import { z } from 'zod'

/** Where the people live whom an act is about: what the node is set to, or what the act's content says. */
export const regionSchema = z.enum(['EU', 'US', 'other'])
export type Region = z.output<typeof regionSchema>

/** `consent.used`, `consent.*` for all of an area, `*` for all. */
const actions = z
  .array(
    z.string().regex(/^(\*|[a-z][a-z0-9-]*\.(\*|[a-z][a-z0-9-]*))$/, 'expected consent.used, consent.* or *'),
  )
  .min(1)
const days = z.int().min(0).max(36_500)
const name = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/)
const text = z.string().min(1).max(300)

const retentionSchema = z
  .strictObject({
    name,
    actions,
    regions: z.union([z.literal('all'), z.array(regionSchema).min(1)]),
    /** Content must be held so long. */
    leastDays: days,
    /** Content must be gone after so long; null: it may stay. */
    mostDays: days.nullable(),
    /** Where the figure comes from; it says when it is this project's own. */
    source: text,
  })
  .refine(({ leastDays, mostDays }) => mostDays === null || leastDays <= mostDays, {
    message: 'what must be held longer than it may be held cannot be kept',
  })
export type RetentionRule = z.output<typeof retentionSchema>

const evidenceSchema = z.discriminatedUnion('kind', [
  /** No `act` about a subject without a `needs` about the same subject before it. */
  z.strictObject({ kind: z.literal('before'), name, act: z.string(), needs: z.string(), source: text }),
  /** An `act` at least every so many days, once the log is as old. */
  z.strictObject({ kind: z.literal('every'), name, act: z.string(), days: days.min(1), source: text }),
  /** Every entry older than so many days is below a checkpoint that another node cosigned. */
  z.strictObject({ kind: z.literal('cosigned'), name, days: days.min(1), source: text }),
])

/** A set of rules as data. */
const profileSchema = z
  .strictObject({
    id: name,
    title: text,
    /** The first that fits an act and a region decides. */
    retention: z.array(retentionSchema).min(1),
    evidence: z.array(evidenceSchema),
    /** A request for erasure is carried out within so many days; null where nobody may ask for it. */
    erasure: z.strictObject({ withinDays: days, source: text }).nullable(),
  })
  .refine(
    ({ retention }) => {
      const own = retention.find((rule) => rule.actions.some((pattern) => matches(pattern, 'audit.purged')))
      return own === undefined || own.mostDays === null
    },
    { message: 'the acts of the log itself (audit.*) are the chain of custody: their mostDays is null' },
  )
export type ComplianceProfile = z.output<typeof profileSchema>

/**
 * A profile from data.
 * @throws AskeeError `audit/profile`
 */
export function parseProfile(data: unknown): ComplianceProfile {
  try {
    return parse(data, profileSchema)
  } catch (cause) {
    throw new AskeeError('audit/profile', `these are no compliance rules: ${errorText(cause)}`, {}, { cause })
  }
}

/** The rule for an act, if there is one. */
export function ruleFor(profile: ComplianceProfile, act: string, region: Region): RetentionRule | undefined {
  return profile.retention.find(
    (rule) =>
      (rule.regions === 'all' || rule.regions.includes(region)) &&
      rule.actions.some((pattern) => matches(pattern, act)),
  )
}

function matches(pattern: string, act: string): boolean {
  return (
    pattern === '*' || pattern === act || (pattern.endsWith('.*') && act.startsWith(pattern.slice(0, -1)))
  )
}
