import type { Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import type { Turns } from '../turns.ts'
import { contentsOf, stateOf } from './pages.ts'
import { type ComplianceProfile, type Region, type RetentionRule, regionSchema, ruleFor } from './profile.ts'

export const DAY_MS = 86_400_000

/** A content that is older than its rule lets it be. */
export interface Due {
  readonly rule: RetentionRule
  readonly index: number
}

/** Contents that are older than their rule lets them be and neither erased nor under legal hold, in the order of the log. */
export async function* contentsDue(
  { log, database, turns }: { log: AuditLog; database: Database; turns: Turns },
  profile: ComplianceProfile,
  now: Timestamp,
  region: Region,
): AsyncGenerator<Due> {
  const least = Math.min(...profile.retention.map(({ mostDays }) => mostDays ?? Number.POSITIVE_INFINITY))
  if (least === Number.POSITIVE_INFINITY) return
  for await (const { idx, action, at, isHeld } of contentsOf(database, turns)) {
    if (isHeld === 1 || at >= now - least * DAY_MS) continue
    await turns.spend(1)
    const event = stateOf(log, idx)
    if (event === 'erased' || event === 'purged') continue
    const said = event === 'damaged' ? undefined : event.content.region
    const rule = ruleFor(profile, action, regionOf(said, region))
    if (rule?.mostDays == null || at >= now - rule.mostDays * DAY_MS) continue
    yield { rule, index: idx }
  }
}

/** What the act itself says, else where the node is. */
function regionOf(said: unknown, region: Region): Region {
  const parsed = regionSchema.safeParse(said)
  return parsed.success ? parsed.data : region
}
