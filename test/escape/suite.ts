/** The suite of 50. */
import { createPortableExecutor } from '@askee/sandbox'
import { components } from '../../packages/sandbox/test/quiet-logger.ts'
import { closeKillSite } from '../chaos/kill.ts'
import { type Attempt, type Context, type Elsewhere, judge, type Row } from './attempt.ts'
import { admissionAttempts } from './attempts/admission.ts'
import { engineAttempts } from './attempts/engines.ts'
import { lifeAttempts } from './attempts/life.ts'
import { limitAttempts } from './attempts/limits.ts'
import { malformedFrames } from './attempts/malformed.ts'
import { namespaceAttempts } from './attempts/namespaces.ts'
import { nativeAttempts } from './attempts/native.ts'
import { stateAttempts } from './attempts/state.ts'

export const ATTEMPTS: readonly Attempt[] = [
  ...admissionAttempts,
  ...engineAttempts,
  ...stateAttempts,
  ...limitAttempts,
  ...nativeAttempts,
  ...lifeAttempts,
  malformedFrames,
  ...namespaceAttempts,
].sort((a, b) => a.number - b.number)

const ELSEWHERE: readonly Elsewhere[] = [
  ['read Documents', 'AppContainer refuses'],
  ['any socket', 'AppContainer refuses'],
  ['CreateProcess and breakaway', 'job object refuses'],
  ['OpenProcess of the agent', 'AppContainer refuses'],
  ['writable and executable memory after ACG', 'dynamic code policy refuses'],
  ['user32', 'Win32k is off'],
  ['home, network, exec, mach-lookup', 'sandbox profile refuses'],
  ['footprint over the cap', 'ended by the watch'],
].map(([name, expected], index) => {
  const system = index < 6 ? 'Windows' : 'macOS'
  return {
    number: 42 + index,
    name: `${system}: ${name}`,
    expected: expected!,
    reason: `not run here: needs ${system}`,
  }
})

/** For one attempt, with all repetitions on a busy machine. */
const PATIENCE = { default: 240_000, full: 900_000 } as const

export interface SuiteOptions {
  readonly thorough: Context['thorough']
  /** Numbers to carry out; all when absent. */
  readonly only?: readonly number[]
  onRow?(row: Row): void
}

/** Carries the attempts out, one after the other, and puts those of other systems in their place. */
export async function runSuite({ thorough, only, onRow }: SuiteOptions): Promise<readonly Row[]> {
  const portable = createPortableExecutor(components, { spares: 1, niceness: 0 })
  await portable.start()
  const rows: Row[] = []
  try {
    for (const attempt of ATTEMPTS) {
      if (only !== undefined && !only.includes(attempt.number)) continue
      const row = await carryOut(attempt, { portable, thorough })
      rows.push(row)
      onRow?.(row)
    }
  } finally {
    await portable.stop()
    await closeKillSite()
  }
  const others = ELSEWHERE.filter(({ number }) => only === undefined || only.includes(number))
  return [...rows, ...others.map(notRun)].sort((a, b) => a.number - b.number)
}

async function carryOut(attempt: Attempt, context: Context): Promise<Row> {
  try {
    return judge(attempt, await inTime(attempt.run(context), PATIENCE[context.thorough]))
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return { ...judge(attempt, []), stoppedBy: text, verdict: 'error' }
  }
}

/** Nothing may hold the suite up; what is left of the attempt ends with this process. */
async function inTime<T>(work: Promise<T>, patience: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${patience / 1000} s`)), patience)
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

function notRun({ number, name, expected, reason }: Elsewhere): Row {
  const verdict = 'not run here'
  return { number, name, expected, stoppedBy: reason, withoutSeccomp: '', control: '', verdict, parts: [] }
}

export interface Summary {
  readonly attempts: readonly Row[]
  readonly passed: number
  readonly failed: number
  readonly notRun: number
  /** Of those that passed, how many did so again in a run without seccomp; of the others no part has such a run. */
  readonly alsoWithoutSeccomp: number
}

/** Numbers of those carried out of which no part has a run without seccomp. */
export function withoutBareRun(rows: readonly Row[]): readonly number[] {
  const none = rows.filter(
    ({ parts }) => parts.length > 0 && parts.every(({ withoutSeccomp }) => withoutSeccomp.applies === false),
  )
  return none.map(({ number }) => number)
}

export function summarize(rows: readonly Row[]): Summary {
  const passed = rows.filter(({ verdict }) => verdict === 'held').length
  const notRunHere = rows.filter(({ verdict }) => verdict === 'not run here').length
  const hasNone = withoutBareRun(rows)
  const alsoWithoutSeccomp = rows.filter(
    ({ verdict, number }) => verdict === 'held' && !hasNone.includes(number),
  ).length
  return {
    attempts: rows,
    passed,
    failed: rows.length - passed - notRunHere,
    notRun: notRunHere,
    alsoWithoutSeccomp,
  }
}
