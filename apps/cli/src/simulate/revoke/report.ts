import { AskeeError } from '@askee/core'
import { formatTable } from '../../terminal/table.ts'

/** What one revocation in mid task showed. Times in milliseconds. */
export interface RevocationRound {
  readonly worker: string
  /** From the command to the end of the last process, as the agent measured it. */
  readonly killMs: number
  /** From the command until every node of the mesh refuses the token, seen from outside. */
  readonly meshMs: number
  /** From the command to the erasure of the last block. */
  readonly eraseMs: number
  /** Files of blocks and compiled code on the worker's disk, before and after. */
  readonly filesBefore: number
  readonly filesAfter: number
  /** Files anywhere in the worker's directory that hold a part of the task's input. */
  readonly traces: number
  /** Computing processes of the task, by the operating system's own list, before and after; null where there is none. */
  readonly processesBefore: number | null
  readonly processesAfter: number | null
  /** Nodes that took the token before. */
  readonly acceptedBefore: number
  /** The revocation stands in the history, with its place in the log. */
  readonly isRecorded: boolean
}

export interface Quantiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface RevocationReport {
  readonly scenario: 'revoke'
  readonly nodes: number
  readonly rounds: number
  readonly executor: string
  /** Of the machine over the last minute; 0 where it is not known. Work at idle priority dies late beside a high one. */
  readonly load: number
  readonly killMs: Quantiles
  readonly meshMs: Quantiles
  readonly eraseMs: Quantiles
  /** Most files, traces and processes that any revocation left. */
  readonly leftFiles: number
  readonly leftTraces: number
  readonly leftProcesses: number | null
  readonly recorded: number
  /** Leases given to others, by the reason that the requester saw. */
  readonly lostLeases: Readonly<Record<string, number>>
  readonly accused: number
  /** Positive controls: what the same looks saw just before each revocation, at least. */
  readonly control: {
    readonly files: number
    readonly processes: number | null
    readonly nodesAccepting: number
  }
  readonly limits: { readonly killMs: number; readonly meshMs: number }
  readonly passed: boolean
  readonly wallSeconds: number
}

/** CON-5. */
const LIMITS = { killMs: 100, meshMs: 30_000 }

/** The verdict over all rounds. A look that saw nothing before cannot prove that nothing is left. */
export function judgeRevocations(
  setting: { nodes: number; executor: string; load: number; wallSeconds: number },
  rounds: readonly RevocationRound[],
  seen: { lostLeases: Readonly<Record<string, number>>; accused: number },
): RevocationReport {
  const most = (of: (round: RevocationRound) => number): number => Math.max(...rounds.map(of))
  const least = (of: (round: RevocationRound) => number): number => Math.min(...rounds.map(of))
  const hasProcesses = rounds.every(({ processesBefore }) => processesBefore !== null)
  const report = {
    scenario: 'revoke' as const,
    nodes: setting.nodes,
    rounds: rounds.length,
    executor: setting.executor,
    load: setting.load,
    killMs: quantiles(rounds.map(({ killMs }) => killMs)),
    meshMs: quantiles(rounds.map(({ meshMs }) => meshMs)),
    eraseMs: quantiles(rounds.map(({ eraseMs }) => eraseMs)),
    leftFiles: most(({ filesAfter }) => filesAfter),
    leftTraces: most(({ traces }) => traces),
    leftProcesses: hasProcesses ? most(({ processesAfter }) => processesAfter ?? 0) : null,
    recorded: rounds.filter(({ isRecorded }) => isRecorded).length,
    ...seen,
    control: {
      files: least(({ filesBefore }) => filesBefore),
      processes: hasProcesses ? least(({ processesBefore }) => processesBefore ?? 0) : null,
      nodesAccepting: least(({ acceptedBefore }) => acceptedBefore),
    },
    limits: LIMITS,
    wallSeconds: round1(setting.wallSeconds),
  }
  return { ...report, passed: isPassed(report) }
}

function isPassed(report: Omit<RevocationReport, 'passed'>): boolean {
  const { control } = report
  const isControlled =
    control.files > 0 && control.processes !== 0 && control.nodesAccepting === report.nodes + 1
  const isNothingLeft = report.leftFiles === 0 && report.leftTraces === 0 && (report.leftProcesses ?? 0) === 0
  return (
    isControlled &&
    isNothingLeft &&
    report.killMs.p99 < LIMITS.killMs &&
    report.meshMs.max < LIMITS.meshMs &&
    report.recorded === report.rounds &&
    report.accused === 0
  )
}

/** What an interrupted simulation says of the rounds that it had done; a verdict needs all of them. */
export function interruptedAfter(rounds: readonly RevocationRound[], asked: number): AskeeError {
  const kill = quantiles(rounds.map(({ killMs }) => killMs))
  const mesh = quantiles(rounds.map(({ meshMs }) => meshMs))
  const seen =
    rounds.length === 0
      ? ''
      : ` In these: killed after ${kill.p50} ms (median), ${kill.max} ms at most; refused by every node after ${mesh.max} ms at most; files left: ${Math.max(...rounds.map(({ filesAfter }) => filesAfter))}.`
  return new AskeeError(
    'simulate/interrupted',
    `interrupted after ${rounds.length} of ${asked} revocations, so there is no verdict.${seen} Fewer: --rounds N`,
  )
}

/** Nearest rank: of 50 values the 99th percentile is the largest. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number =>
    round1(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN)
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** The report as people read it. */
export function formatRevocations(report: RevocationReport): string {
  const { killMs, meshMs, eraseMs, control, limits } = report
  const time = ({ p50, p99, max }: Quantiles): string[] => [p50, p99, max].map((ms) => `${ms} ms`)
  const count = (left: number | null, before: number | null): string =>
    left === null ? 'not looked at here' : `${left} (at least ${before} before)`
  return [
    formatTable(
      [
        { title: 'revoked in mid task', align: 'left' },
        { title: 'p50', align: 'right' },
        { title: 'p99', align: 'right' },
        { title: 'max', align: 'right' },
        { title: 'limit', align: 'right' },
      ],
      [
        ['work killed on this machine', ...time(killMs), `${limits.killMs} ms`],
        ['its data erased', ...time(eraseMs), ''],
        ['refused by every node', ...time(meshMs), `${limits.meshMs} ms`],
      ],
    ),
    '',
    formatTable(
      [
        { title: 'left of the consent, at most', align: 'left' },
        { title: '', align: 'left' },
      ],
      [
        ['processes', count(report.leftProcesses, control.processes)],
        ['files of blocks and compiled code', count(report.leftFiles, control.files)],
        ['files with a part of its input', String(report.leftTraces)],
        ['nodes that still take its token', `0 (${control.nodesAccepting} before)`],
      ],
    ),
    '',
    `${report.rounds} revocations on ${report.nodes} workers, executor ${report.executor}, load ${report.load}, ${report.wallSeconds} s in all`,
    `history: ${report.recorded} of ${report.rounds} revocations, each with its place in the audit log`,
    `leases given to others: ${Object.entries(report.lostLeases)
      .map(([reason, times]) => `${times} ${reason}`)
      .join(', ')}; accused: ${report.accused === 0 ? 'nobody' : report.accused}`,
    '',
    report.passed
      ? 'Every revocation held.'
      : 'NOT held: see above what is beyond its limit, left, or was not seen before.',
  ].join('\n')
}

function round1(value: number): number {
  return Number(value.toFixed(1))
}
