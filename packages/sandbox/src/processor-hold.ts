import type { EngineDescription } from './executor.ts'

/** Layers that hold a task to `cpuPercent`, in the warden's words: Linux with a delegated group, without one, Windows. */
const HOLDING: ReadonlySet<string> = new Set(['cgroup-cpu', 'duty-cycle', 'cpu-rate'])

/** Whether the executor holds a task to its share of a processor, as it reported when it was started. */
export function holdsProcessorShare({ report = [] }: EngineDescription): boolean {
  return report.some(({ name, state }) => state === 'enforced' && HOLDING.has(name))
}
