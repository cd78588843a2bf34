import { AskeeError } from '@askee/core'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { ERASED, PURGED, parseRemoval, type Removal } from '../removals/act.ts'
import { positionsOf } from '../removals/positions.ts'
import { HELD_SUBJECTS } from '../schema.ts'
import { createTurns } from '../turns.ts'
import { nameCrashedHolds } from './holds.ts'
import { stateOf } from './pages.ts'
import { deleteContents, destroy, type RetentionComponents } from './remove.ts'

/** `Retention.resume`. */
export async function resume(components: RetentionComponents): Promise<boolean> {
  const { log, database } = components
  nameCrashedHolds(log, database)
  const newest = newestRemoval(log, database)
  if (newest === undefined || newest.removal.kind === 'cancelled') return false
  const { index, removal } = newest
  const left = positionsOf(removal.ranges).filter((position) => isHere(log, position))
  const tags = database
    .prepare(
      `SELECT DISTINCT subject FROM audit_contents WHERE idx IN (SELECT value FROM json_each(?))
       AND subject NOT IN (${HELD_SUBJECTS})`,
    )
    .pluck()
    .all(JSON.stringify(left)) as string[]
  if (tags.length === 0) return false
  if (removal.kind === 'purged') {
    await deleteContents({ ...components, turns: createTurns(components) }, removal.rule, left, { index })
    return true
  }
  // Named anew, with what was written about the same subject since.
  for (const tag of tags) await destroy(components, tag, { index: removal.request, leaf: '' })
  return true
}

function newestRemoval(log: AuditLog, database: Database): { index: number; removal: Removal } | undefined {
  const index = database
    .prepare(`SELECT max(idx) FROM audit_contents WHERE action IN ('${PURGED}', '${ERASED}')`)
    .pluck()
    .get() as number | null
  if (index === null) return undefined
  try {
    const { event } = log.read(index)
    const removal = typeof event === 'string' ? undefined : parseRemoval(index, event)
    return removal === undefined ? undefined : { index, removal }
  } catch (error) {
    // Verification names an act that cannot be read; nothing is removed by it.
    if (error instanceof AskeeError) return undefined
    throw error
  }
}

/** Whether a content can still be read, or could if it were not damaged. */
function isHere(log: AuditLog, index: number): boolean {
  const state = stateOf(log, index)
  return state !== 'erased' && state !== 'purged'
}
