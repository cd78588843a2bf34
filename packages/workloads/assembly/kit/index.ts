/**
 * The Askee task kit: everything a task needs to take its input and give its output.
 *
 * A task exports either
 *   `run(): void`   does all the work in one call, or
 *   `step(): i32`   does some milliseconds of work and returns 1 as long as there is more to do, 0 at the end.
 * Between two steps a task can be stopped, moved to another machine and resumed: keep the state in top-level
 * variables and objects, never in local variables of `step`.
 *
 * The same module and the same input give the same output on every machine. Nothing in here can break that.
 */
export { Reader } from './reader'
export { log, Writer, writeText } from './writer'

/** What `step` returns while there is more to do. */
export const MORE: i32 = 1
/** What `step` returns when the output is complete. */
export const DONE: i32 = 0

/** Traps (`unreachable`) unless `condition` holds. For inputs that make no sense. */
export function require(condition: bool): void {
  if (!condition) unreachable()
}
