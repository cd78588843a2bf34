/**
 * What a lost lease says about its node.
 * - `failure`: its own doing; counts against the node at this task, and against the task.
 * - `strike`: perhaps its doing, perhaps the network's: it gets less and waits longer, but is never shut out for it.
 * - `rest`: it has too much to do.
 * - `misfit`: it can never do this task under its consent, and has to wait longer and longer for others until it does one.
 * - `none`: nobody's doing.
 */
export type Blame = 'failure' | 'strike' | 'rest' | 'misfit' | 'none'

/** Reasons of the requester and codes of workers that are the worker's own failures. */
const FAILURES: ReadonlySet<string> = new Set([
  // Heard of until the end, and never committed.
  'expired',
  'compute/expired',
  'compute/internal',
  // Committed and not shown.
  'withheld',
  'unknown-to-worker',
  'output-missing',
])
const RESTS: ReadonlySet<string> = new Set([
  'compute/busy',
  // The disk that its owner allows is taken now.
  'consent/storage',
  'compute/duplicate',
  'compute/overdue',
  'mesh/rate-limited',
  'blocks/full',
])
const NOBODYS: ReadonlySet<string> = new Set(['accused', 'disconnected', 'not-needed', 'undelivered'])

/**
 * Only what the node itself did wrong may count against it at a task: an honest node loses leases too, to broken
 * connections, restarts and consents that end, and must be asked again, else a task runs out of nodes (CMP-4).
 * @param reason a reason of this requester, or the code that the worker or the mesh gave
 */
export function blameOf(reason: string): Blame {
  if (FAILURES.has(reason) || /^(fault|wasm|codec|signature)\//.test(reason)) return 'failure'
  if (RESTS.has(reason)) return 'rest'
  if (reason === 'consent/storage-never') return 'misfit'
  if (NOBODYS.has(reason) || reason.startsWith('consent/')) return 'none'
  return 'strike'
}
