import { count } from '../terminal/count.ts'
import { outputCell } from '../terminal/output-cell.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { isSound, type SimulationReport } from './verdict.ts'

const COLUMNS: readonly Column[] = [
  { title: '', align: 'left' },
  { title: 'workload', align: 'left' },
  { title: 'accepted', align: 'right' },
  { title: 'answer', align: 'left' },
  { title: 'replicas', align: 'right' },
  { title: 'votes by engine', align: 'left' },
  { title: 'time', align: 'right' },
]

/** Longest answer and name shown whole: the table is to fit a terminal of 100 columns. `--json` has all of it. */
const MAX_ANSWER = 26
const MAX_NAME = 18

/** What ran the tasks, in words. */
const EXECUTORS: Readonly<Record<string, string>> = {
  native: 'executor: native (wasmtime under the warden)',
  portable: 'executor: portable (V8 in a Node process; askee doctor says what native containment lacks here)',
  v8: 'executor: v8 (V8 under the warden)',
  mixed: 'executor: mixed (not the same on all nodes)',
}

/** The simulation's end as people read it. */
export function formatReport(report: SimulationReport): string {
  const rows = report.workloads.map((w) => [
    isRight(w) ? '✓' : '✗',
    w.name.length > MAX_NAME ? `…${w.name.slice(1 - MAX_NAME)}` : w.name,
    `${w.accepted}/${w.tasks}`,
    shorten(w.actual ?? '—'),
    w.replicasPerTask.toFixed(1),
    enginesCell(w),
    `${w.seconds.toFixed(1)} s`,
  ])
  const tasks = report.workloads.reduce((sum, w) => sum + w.tasks, 0)
  const lines = [
    formatTable(COLUMNS, rows),
    ...report.workloads.flatMap((w) => faultLines(w, report.engines)),
    '',
    ...report.workloads.flatMap(resultLines),
    `${count(report.nodes, 'node')}, ${report.faulty} faulty, f = ${report.f}, engines ${report.engines}, seed ${report.seed}`,
    EXECUTORS[report.executor] ?? `executor: ${report.executor}`,
    `${count(tasks, 'task')}, ${report.replicasPerTask} replicas a task, ${report.tasksPerSecond} verified tasks/s, ${report.wallSeconds} s in all`,
    `accused: ${report.accused.length === 0 ? 'nobody' : report.accused.map((id) => `…${id.slice(-8)}`).join(', ')}${report.honestAccused > 0 ? ` — ${report.honestAccused} of them honest: outvoted by more cheats than f allows` : ''}`,
    '',
    formatTable(
      [
        { title: 'node', align: 'left' },
        { title: 'credit (fuel)', align: 'right' },
      ],
      Object.entries(report.credit).map(([node, fuel]) => [`…${node.slice(-8)}`, fuel]),
    ),
    '',
    isSound(report)
      ? 'Every accepted result is right.'
      : 'NOT sound: see the rows marked ✗. With more faulty nodes than f this is what must be expected.',
  ]
  return lines.join('\n')
}

type Workload = SimulationReport['workloads'][number]

function isRight({ wrongAccepted, actual, expected, undecided }: Workload): boolean {
  return wrongAccepted === 0 && actual === expected && undecided === 0
}

/** What is wrong with a workload, in lines of their own: rare, and too long for a table. */
function faultLines(
  { name, wrongAccepted, actual, expected, undecided, singleEngine }: Workload,
  engines: SimulationReport['engines'],
): string[] {
  return [
    ...(undecided > 0 ? [`✗ ${name}: ${count(undecided, 'task')} undecided`] : []),
    ...(wrongAccepted > 0 ? [`✗ ${name}: ${count(wrongAccepted, 'wrong result')} accepted`] : []),
    ...(actual !== expected && actual !== null
      ? [`✗ ${name}: the answer is ${actual}, expected was ${expected}`]
      : []),
    ...(engines === 'diverse' && singleEngine > 0
      ? [`✗ ${name}: ${count(singleEngine, 'accepted result')} from one engine alone`]
      : []),
  ]
}

/** Those that voted: where one engine is all there is, the other is not worth a word. */
function enginesCell({ engines }: Workload): string {
  return Object.entries(engines)
    .filter(([, votes]) => votes > 0)
    .map(([engine, votes]) => `${engine} ${votes}`)
    .join(', ')
}

function shorten(text: string): string {
  return text.length > MAX_ANSWER ? `${text.slice(0, MAX_ANSWER - 1)}…` : text
}

/** What each input of a module of one's own gave: outputs and traps are the point there. */
function resultLines({ results }: SimulationReport['workloads'][number]): string[] {
  if (results === undefined) return []
  const columns: readonly Column[] = [
    { title: 'input', align: 'right' },
    { title: 'trap', align: 'left' },
    { title: 'fuel', align: 'right' },
    { title: 'output', align: 'left' },
  ]
  const rows = results.map((result, i) =>
    result === null
      ? [String(i), 'undecided', '', '']
      : [String(i), result.trap ?? '', result.fuel, outputCell(Buffer.from(result.output, 'hex'))],
  )
  return [formatTable(columns, rows), '']
}
