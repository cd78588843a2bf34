/** What an attempt of the escape suite is, and what came of it. */
import type { Executor } from '@askee/sandbox'

export interface Context {
  /** V8 in a Node process. It has no seccomp filter: what stops an attempt here is another layer. */
  readonly portable: Executor
  /** Everything as often as the facts say, instead of often enough. */
  readonly thorough: 'default' | 'full'
}

/** What was seen in one of the three runs of an attempt. */
export interface Seen {
  /** The layer that stopped it, or what happened. */
  readonly text: string
  /** Stopped (with containment), or did succeed (in the control). */
  readonly asExpected: boolean
  /** There is no such run of this attempt: neither held nor failed. */
  readonly applies?: false
}

export interface Part {
  readonly name: string
  readonly contained: Seen
  readonly withoutSeccomp: Seen
  readonly control: Seen
}

export interface Attempt {
  readonly number: number
  readonly name: string
  readonly expected: string
  run(context: Context): Promise<readonly Part[]>
}

/** An attempt for a system that this is not. */
export interface Elsewhere {
  readonly number: number
  readonly name: string
  readonly expected: string
  readonly reason: string
}

export type Verdict = 'held' | 'ESCAPED' | 'control failed' | 'error' | 'not run here'

export interface Row {
  readonly number: number
  readonly name: string
  readonly expected: string
  readonly stoppedBy: string
  readonly withoutSeccomp: string
  readonly control: string
  readonly verdict: Verdict
  readonly parts: readonly Part[]
}

export function seen(asExpected: boolean, text: string): Seen {
  return { asExpected, text }
}

/** For the run without seccomp, of what no filter has a part in. */
export function doesNotApply(reason: string): Seen {
  return { asExpected: false, applies: false, text: `does not apply: ${reason}` }
}

/** Stopped in every run that there is. */
export function holds({ contained, withoutSeccomp }: Part): boolean {
  return contained.asExpected && (withoutSeccomp.applies === false || withoutSeccomp.asExpected)
}

/** Compares what was told with what stops the attempt. */
export function stops(told: string, expected: string | RegExp): Seen {
  const fits = typeof expected === 'string' ? told === expected : expected.test(told)
  return seen(fits, told.length > 100 ? `${told.slice(0, 48)}…${told.slice(-48)}` : told)
}

/** One sight of several: as expected when all are. */
export function together(parts: readonly Seen[]): Seen {
  const texts = [...new Set(parts.map(({ text }) => text))]
  return seen(
    parts.every(({ asExpected }) => asExpected),
    texts.join(' | '),
  )
}

/** Whether the kernel refused every one of them to this ordinary user, with EPERM or EACCES. */
function needsRoot(parts: readonly Part[]): boolean {
  return (
    process.getuid?.() !== 0 && parts.every(({ control }) => /^blocked: .*\((1|13)\)$/.test(control.text))
  )
}

export function judge(attempt: Attempt, parts: readonly Part[]): Row {
  const isHeld = parts.every(holds)
  // Of the kinds of native code under one number some cannot succeed on every kernel; one that does shows the sight.
  const controlled = parts.some((part) => part.control.asExpected)
  const isRoots = !controlled && needsRoot(parts)
  const of = (look: (part: Part) => Seen) => together(parts.map(look)).text
  return {
    number: attempt.number,
    name: attempt.name,
    expected: attempt.expected,
    stoppedBy: of((part) => part.contained),
    withoutSeccomp: of((part) => part.withoutSeccomp),
    control: `${isRoots ? 'only root could show it: ' : ''}${of((part) => part.control)}`,
    verdict: isHeld ? (controlled || isRoots ? 'held' : 'control failed') : 'ESCAPED',
    parts,
  }
}
