import { AskeeError, type AuditEvent, errorText, parse } from '@askee/core'
import { z } from 'zod'
import { countOf, formatPositions, type PositionRange, parsePositions } from './positions.ts'

/** Contents were deleted because a rule does not let them stay. */
export const PURGED = 'audit.purged'
/** The key of contents was destroyed because somebody asked for it. */
export const ERASED = 'audit.erased'

/** Whose data the acts of removal are when they name nobody: it is never erased, or nothing would show what was. */
export const REMOVALS_SUBJECT = 'audit-retention'

const position = z.int().min(0)
const which = { count: position.min(1), first: position, last: position, positions: z.string() }
const purgedSchema = z.strictObject({ rule: z.string().min(1).max(160), ...which })
const erasedSchema = z.strictObject({ request: position, ...which })
const cancelledSchema = z.strictObject({ cancels: position })

/** Whose contents went, and why. */
export interface RemovedContents {
  readonly count: number
  readonly first: number
  readonly last: number
  readonly ranges: readonly PositionRange[]
}

/** What an act of the log says about contents that nobody can read any more. */
export type Removal =
  | (RemovedContents & { readonly kind: 'purged'; readonly rule: string })
  /** `request`: the entry that says that it was asked for. */
  | (RemovedContents & { readonly kind: 'erased'; readonly request: number })
  /** The removal whose first act is entry `cancels` did not succeed. */
  | { readonly kind: 'cancelled'; readonly cancels: number }

/** Content of an act that says which contents go. */
export function removalContent(
  why: { rule: string } | { request: number },
  positions: readonly number[],
): AuditEvent['content'] {
  return {
    ...why,
    count: positions.length,
    first: positions[0] as number,
    last: positions.at(-1) as number,
    positions: formatPositions(positions),
  }
}

/**
 * What the act at `index` removes; undefined for other acts. An act covers only entries before it: what went earlier than the
 * log said so is not covered.
 * @throws AskeeError `audit/removal`
 */
export function parseRemoval(index: number, { action, outcome, content }: AuditEvent): Removal | undefined {
  if (action !== PURGED && action !== ERASED) return undefined
  try {
    if (outcome !== 'done') return { kind: 'cancelled', ...parse(content, cancelledSchema) }
    if (action === PURGED) {
      const { positions, ...said } = parse(content, purgedSchema)
      return { kind: 'purged', ...said, ranges: checked(index, said, positions) }
    }
    const { positions, ...said } = parse(content, erasedSchema)
    return { kind: 'erased', ...said, ranges: checked(index, said, positions) }
  } catch (cause) {
    throw new AskeeError(
      'audit/removal',
      `entry ${index} does not say which contents went: ${errorText(cause)}`,
      { index },
      { cause },
    )
  }
}

function checked(
  index: number,
  { count, first, last }: { count: number; first: number; last: number },
  positions: string,
): PositionRange[] {
  const ranges = parsePositions(positions)
  const fits = ranges[0]?.first === first && ranges.at(-1)?.last === last && countOf(ranges) === count
  if (fits && last < index) return ranges
  throw new AskeeError('audit/removal', 'its count, first and last are not those of its positions')
}

/** Acts of the log itself that are about somebody, and go when that one is erased. */
const ABOUT_SOMEBODY: ReadonlySet<string> = new Set(['audit.held', 'audit.released'])

/** Subjects of the acts of the log itself: without these nobody could tell what was removed, exported or verified. */
export function isCustody(subject: string): boolean {
  return subject.startsWith('audit-')
}

/** Whether the content of an act may be gone for this cause. The acts of the log itself are never purged. */
export function mayBe(kind: 'purged' | 'erased', action: string): boolean {
  return !action.startsWith('audit.') || (kind === 'erased' && ABOUT_SOMEBODY.has(action))
}
