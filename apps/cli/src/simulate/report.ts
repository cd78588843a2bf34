import { outputCell } from '../terminal/output-cell.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { isSound, type SimulationReport } from './verdict.ts'

const COLUMNS: readonly Column[] = [
  { title: 'workload', align: 'left' },
  { title: 'tasks', align: 'right' },
  { title: 'accepted', align: 'right' },
  { title: 'answer', align: 'left' },
  { title: 'expected', align: 'left' },
  { title: 'right', align: 'left' },
  { title: 'replicas', align: 'right' },
  { title: 'votes by engine', align: 'left' },
  { title: 'time', align: 'right' },
]

/** Longest answer shown whole. */
const MAX_ANSWER = 34

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
    w.name,
    String(w.tasks),
    w.undecided === 0 ? String(w.accepted) : `${w.accepted} (${w.undecided} undecided)`,
    shorten(w.actual ?? '—'),
    shorten(w.expected ?? '—'),
    w.wrongAccepted > 0
      ? `✗ ${w.wrongAccepted} wrong`
      : w.actual === w.expected && w.undecided === 0
        ? '✓'
        : '✗',
    w.replicasPerTask.toFixed(1),
    enginesCell(w),
    `${w.seconds.toFixed(1)} s`,
  ])
  const tasks = report.workloads.reduce((sum, w) => sum + w.tasks, 0)
  const lines = [
    formatTable(COLUMNS, rows),
    '',
    ...report.workloads.flatMap(resultLines),
    `${report.nodes} nodes, ${report.faulty} faulty, f = ${report.f}, engines ${report.engines}, seed ${report.seed}`,
    EXECUTORS[report.executor] ?? `executor: ${report.executor}`,
    `${tasks} tasks, ${report.replicasPerTask} replicas a task, ${report.tasksPerSecond} verified tasks/s, ${report.wallSeconds} s in all`,
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

function enginesCell({ engines, singleEngine }: SimulationReport['workloads'][number]): string {
  const alone = singleEngine > 0 ? ` (${singleEngine} by one alone)` : ''
  return `wasmtime ${engines.wasmtime}, v8 ${engines.v8}${alone}`
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
