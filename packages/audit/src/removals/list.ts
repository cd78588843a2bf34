import type { Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { createTurns, type TurnComponents, type Turns } from '../turns.ts'
import { ERASED, PURGED, parseRemoval, type Removal } from './act.ts'
import { isSameRemoval } from './coverage.ts'
import { formatRanges } from './positions.ts'

/** Acts read at once. */
const PAGE = 64
const ACT_UNITS = 3

export interface RemovalComponents extends TurnComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
}

/** A removal that was not cancelled, and the act that says so. */
export interface RemovalAct {
  readonly index: number
  readonly at: Timestamp
  readonly removal: Exclude<Removal, { kind: 'cancelled' }>
}

/** What went, for people to read. */
export interface RemovalSummary {
  /** The act. */
  readonly index: number
  readonly at: Timestamp
  readonly kind: 'purged' | 'erased'
  /** `gdpr/sessions-eu`, or the entry that asked for it. */
  readonly because: string
  readonly count: number
  readonly positions: string
  /** Contents that can still be read although the act says that they went: the removal was interrupted. */
  readonly left: number
}

/**
 * Acts that say which contents went, oldest first, from entry `from` on. Acts that do not say it, or cannot be read, cover
 * nothing and are left out: verification names them.
 */
export async function* removalActs(
  { log, database }: { log: AuditLog; database: Database },
  turns: Turns,
  from = 0,
): AsyncGenerator<RemovalAct> {
  const page = database
    .prepare(
      `SELECT idx FROM audit_contents WHERE action IN ('${PURGED}', '${ERASED}') AND idx >= ?
       ORDER BY idx LIMIT ${PAGE}`,
    )
    .pluck()
  /** Those that a later act may still cancel. */
  let newest: RemovalAct[] = []
  let next = from
  for (;;) {
    const indices = page.all(next) as number[]
    for (const index of indices) {
      await turns.spend(ACT_UNITS)
      const removal = read(log, index)
      next = index + 1
      if (removal?.removal.kind === 'cancelled') {
        const { cancels } = removal.removal
        if (newest.some((act) => act.index === cancels)) newest = []
        continue
      }
      if (removal === undefined) continue
      const act = { ...removal, removal: removal.removal }
      if (!isSameRemoval(newest[0]?.removal, act.removal)) {
        yield* newest
        newest = []
      }
      newest.push(act)
    }
    if (indices.length < PAGE) break
  }
  yield* newest
}

/** What went from the log, and the acts that say so, oldest first. */
export async function listRemovals(components: RemovalComponents): Promise<RemovalSummary[]> {
  const { log } = components
  const turns = createTurns(components)
  const found: RemovalSummary[] = []
  for await (const { index, at, removal } of removalActs(components, turns)) {
    let left = 0
    for (const { first, last } of removal.ranges) {
      for (let position = first; position <= last; position++) {
        await turns.spend(1)
        if (isReadable(log, position)) left++
      }
    }
    found.push({
      index,
      at,
      kind: removal.kind,
      because: removal.kind === 'purged' ? removal.rule : `asked for in entry ${removal.request}`,
      count: removal.count,
      positions: formatRanges(removal.ranges),
      left,
    })
  }
  return found
}

function read(log: AuditLog, index: number): { index: number; at: Timestamp; removal: Removal } | undefined {
  try {
    const { entry, event } = log.read(index)
    const removal = typeof event === 'string' ? undefined : parseRemoval(index, event)
    return removal === undefined ? undefined : { index, at: entry.at, removal }
  } catch {
    return undefined
  }
}

function isReadable(log: AuditLog, index: number): boolean {
  try {
    return typeof log.content(index) !== 'string'
  } catch {
    return false
  }
}
