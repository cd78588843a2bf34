import type { Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { type ComplianceProfile, type Region, type RetentionRule, regionSchema, ruleFor } from './profile.ts'

export const DAY_MS = 86_400_000

export interface Due {
  readonly rule: RetentionRule
  readonly indices: readonly number[]
}

/** Readable contents that are older than their rule lets them be and under no legal hold, by rule. */
export function contentsDue(
  { log, database }: { log: AuditLog; database: Database },
  profile: ComplianceProfile,
  now: Timestamp,
  region: Region,
): Due[] {
  const least = Math.min(...profile.retention.map(({ mostDays }) => mostDays ?? Number.POSITIVE_INFINITY))
  if (least === Number.POSITIVE_INFINITY) return []
  const rows = database
    .prepare(
      `SELECT idx, action, at FROM audit_contents
       WHERE at < ? AND subject NOT IN (SELECT subject FROM audit_holds) ORDER BY idx`,
    )
    .all(now - least * DAY_MS) as { idx: number; action: string; at: number }[]
  const due = new Map<RetentionRule, number[]>()
  for (const { idx, action, at } of rows) {
    const event = log.read(idx).event
    if (event === 'erased' || event === 'purged') continue
    const rule = ruleFor(profile, action, regionOf(event.content.region, region))
    if (rule?.mostDays == null || at >= now - rule.mostDays * DAY_MS) continue
    const indices = due.get(rule) ?? []
    indices.push(idx)
    due.set(rule, indices)
  }
  return [...due].map(([rule, indices]) => ({ rule, indices }))
}

/** What the act itself says, else where the node is. */
function regionOf(said: unknown, region: Region): Region {
  const parsed = regionSchema.safeParse(said)
  return parsed.success ? parsed.data : region
}
