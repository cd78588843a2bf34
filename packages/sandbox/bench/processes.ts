import { readdirSync, readFileSync } from 'node:fs'

/** Fields of /proc/pid/stat from the state on; empty for a process that is gone. */
function fieldsOf(pid: number | string): string[] {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** Whether it can still compute: a zombie runs nothing any more. */
export function isRunning(pid: number): boolean {
  const [state] = fieldsOf(pid)
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Whether a signal has stopped it. */
export function isStopped(pid: number): boolean {
  return fieldsOf(pid)[0] === 'T'
}

function childrenOf(parent: number): number[] {
  const isProcess = (name: string) => /^\d+$/.test(name)
  return readdirSync('/proc')
    .filter((name) => isProcess(name) && fieldsOf(name)[1] === String(parent))
    .map(Number)
}

/** All descendants. */
export function below(parent: number): number[] {
  return childrenOf(parent).flatMap((pid) => [pid, ...below(pid)])
}

/** Descendants that have none: of a warden and its runner, the runner. */
export function leavesBelow(parent: number): number[] {
  const all = below(parent)
  return all.filter((pid) => childrenOf(pid).length === 0)
}

/** Nanoseconds of processor time that the main thread has used; null when the kernel does not tell. */
export function processorTime(pid: number): bigint | null {
  try {
    return BigInt(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0] ?? '')
  } catch {
    return null
  }
}

/** Milliseconds from `start` until none of them runs, or `giveUp`. */
export async function untilGone(pids: readonly number[], start: number, giveUp: number): Promise<number> {
  while (pids.some(isRunning)) {
    if (performance.now() - start > giveUp) return giveUp
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return performance.now() - start
}
