import { refuse } from './errors.ts'
import type { ConsentTerms, DataCategory, TaskKind } from './terms.ts'

/** What a person narrows or declines; what is not named stays as it was. */
export interface ConsentChoices {
  readonly cpuPercentMax?: number
  readonly ramMbMax?: number
  readonly storageGbMax?: number
  readonly bandwidthMbpsMax?: number
  readonly kinds?: readonly TaskKind[]
  readonly minReputation?: number
  readonly maxDurationHours?: number
  readonly resourceMonitoring?: boolean
  readonly purposes?: readonly string[]
  readonly data?: readonly DataCategory[]
  readonly lifetime?: number
  readonly maxRenewals?: number
}

/**
 * The meet of what is asked and what is chosen: never more than either; a choice of more than asked for counts as asked.
 * @throws AskeeError `consent/limits` when nothing is left of kinds or purposes: that is a refusal, not a grant
 */
export function meet(asked: ConsentTerms, chosen: ConsentChoices): ConsentTerms {
  const { resources, tasks, monitoring } = asked.permissions
  const least = (own: number, choice: number | undefined): number => Math.min(own, choice ?? own)
  const common = <T>(own: readonly T[], choice: readonly T[] | undefined): readonly T[] =>
    choice === undefined ? own : own.filter((item) => choice.includes(item))
  const kinds = common(tasks.kinds, chosen.kinds)
  const purposes = common(asked.purposes, chosen.purposes)
  if (kinds.length === 0 || purposes.length === 0) {
    throw refuse('consent/limits', 'every kind of work or every purpose was declined: refuse it instead')
  }
  return {
    permissions: {
      resources: {
        cpuPercentMax: least(resources.cpuPercentMax, chosen.cpuPercentMax),
        ramMbMax: least(resources.ramMbMax, chosen.ramMbMax),
        storageGbMax: least(resources.storageGbMax, chosen.storageGbMax),
        bandwidthMbpsMax: least(resources.bandwidthMbpsMax, chosen.bandwidthMbpsMax),
      },
      tasks: {
        kinds,
        minReputation: Math.max(tasks.minReputation, chosen.minReputation ?? 0),
        maxDurationHours: least(tasks.maxDurationHours, chosen.maxDurationHours),
      },
      monitoring: {
        userActivityYield: monitoring.userActivityYield,
        resourceMonitoring: monitoring.resourceMonitoring && (chosen.resourceMonitoring ?? true),
        auditLogging: monitoring.auditLogging,
      },
    },
    purposes,
    data: common(asked.data, chosen.data),
    lifetime: least(asked.lifetime, chosen.lifetime),
    maxRenewals: least(asked.maxRenewals, chosen.maxRenewals),
  }
}

/**
 * What holds, with every choice in place of it and as it was made, also where that is more: for whoever refuses more.
 * @throws AskeeError `consent/limits` when no kind or no purpose was chosen
 */
export function chosenTerms(held: ConsentTerms, chosen: ConsentChoices): ConsentTerms {
  const { resources, tasks, monitoring } = held.permissions
  const kinds = [...new Set(chosen.kinds ?? tasks.kinds)]
  const purposes = [...new Set(chosen.purposes ?? held.purposes)]
  if (kinds.length === 0 || purposes.length === 0) {
    throw refuse('consent/limits', 'every kind of work or every purpose was declined: revoke it instead')
  }
  return {
    permissions: {
      resources: {
        cpuPercentMax: chosen.cpuPercentMax ?? resources.cpuPercentMax,
        ramMbMax: chosen.ramMbMax ?? resources.ramMbMax,
        storageGbMax: chosen.storageGbMax ?? resources.storageGbMax,
        bandwidthMbpsMax: chosen.bandwidthMbpsMax ?? resources.bandwidthMbpsMax,
      },
      tasks: {
        kinds,
        minReputation: chosen.minReputation ?? tasks.minReputation,
        maxDurationHours: chosen.maxDurationHours ?? tasks.maxDurationHours,
      },
      monitoring: {
        ...monitoring,
        resourceMonitoring: chosen.resourceMonitoring ?? monitoring.resourceMonitoring,
      },
    },
    purposes,
    data: [...new Set(chosen.data ?? held.data)],
    lifetime: chosen.lifetime ?? held.lifetime,
    maxRenewals: chosen.maxRenewals ?? held.maxRenewals,
  }
}

/** One term that is not the same in two sets of terms. */
export interface TermDifference {
  readonly field: string
  readonly before: string
  readonly after: string
  /** What the change does to the volunteer's promise. */
  readonly effect: 'wider' | 'narrower'
}

/** What changes from `before` to `after`, term by term. No difference is `wider` exactly when `after` never allows more. */
export function differences(before: ConsentTerms, after: ConsentTerms): readonly TermDifference[] {
  const found: TermDifference[] = []
  const add = (field: string, from: unknown, to: unknown, effect: TermDifference['effect']): void => {
    found.push({ field, before: String(from), after: String(to), effect })
  }
  const upTo = (field: string, from: number, to: number): void => {
    if (from !== to) add(field, from, to, to > from ? 'wider' : 'narrower')
  }
  const among = (field: string, from: readonly string[], to: readonly string[]): void => {
    for (const item of to) if (!from.includes(item)) add(field, '—', item, 'wider')
    for (const item of from) if (!to.includes(item)) add(field, item, '—', 'narrower')
  }
  const [old, now] = [before.permissions, after.permissions]
  upTo('cpu_percent_max', old.resources.cpuPercentMax, now.resources.cpuPercentMax)
  upTo('ram_mb_max', old.resources.ramMbMax, now.resources.ramMbMax)
  upTo('storage_gb_max', old.resources.storageGbMax, now.resources.storageGbMax)
  upTo('bandwidth_mbps_max', old.resources.bandwidthMbpsMax, now.resources.bandwidthMbpsMax)
  among('kinds', old.tasks.kinds, now.tasks.kinds)
  upTo('max_duration_hours', old.tasks.maxDurationHours, now.tasks.maxDurationHours)
  const [reputation, newReputation] = [old.tasks.minReputation, now.tasks.minReputation]
  if (reputation !== newReputation) {
    add('min_reputation', reputation, newReputation, newReputation < reputation ? 'wider' : 'narrower')
  }
  // A protection that is dropped widens, a permission that is given does.
  const flags: readonly [field: string, from: boolean, to: boolean, wider: boolean][] = [
    ['user_activity_yield', old.monitoring.userActivityYield, now.monitoring.userActivityYield, false],
    ['resource_monitoring', old.monitoring.resourceMonitoring, now.monitoring.resourceMonitoring, true],
    ['audit_logging', old.monitoring.auditLogging, now.monitoring.auditLogging, false],
  ]
  for (const [field, from, to, wider] of flags) {
    if (from !== to) add(field, from, to, to === wider ? 'wider' : 'narrower')
  }
  among('purpose', before.purposes, after.purposes)
  among('data', before.data, after.data)
  upTo('lifetime_ms', before.lifetime, after.lifetime)
  upTo('max_renewals', before.maxRenewals, after.maxRenewals)
  return found
}

/**
 * @throws AskeeError `consent/widened` naming what `child` allows beyond `parent`
 */
export function assertWithin(child: ConsentTerms, parent: ConsentTerms): void {
  const wider = differences(parent, child).filter(({ effect }) => effect === 'wider')
  if (wider.length === 0) return
  const { field, before, after } = wider[0] as TermDifference
  throw refuse('consent/widened', `${field}: expected no more than ${before}, received ${after}`, {
    fields: wider.map((difference) => difference.field),
  })
}
