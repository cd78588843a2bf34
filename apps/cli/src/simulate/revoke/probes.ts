import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ControlClient } from '@askee/client'

/** Between two looks at what processes have used: a task without end uses all of it. */
const WINDOW_MS = 60
/** A busy machine may not let a task run for a while. */
const PATIENCE_MS = 5_000

/** Files of blocks and compiled code below an agent's directory. */
export function dataFiles(directory: string): string[] {
  return ['blocks', 'compiled'].flatMap((folder) => {
    const path = join(directory, folder)
    if (!existsSync(path)) return []
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'key-check')
      .map((entry) => join(entry.parentPath, entry.name))
  })
}

/** Files anywhere below a directory that contain these bytes. */
export function filesWith(directory: string, part: Buffer): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      try {
        return readFileSync(path).includes(part)
      } catch {
        // It went away while this looked.
        return false
      }
    })
}

/** Ids of the processes below `root` that are computing now, by the operating system's list; null where there is none. */
export async function busyProcesses(root: number): Promise<number[] | null> {
  if (!existsSync('/proc/self/stat')) return null
  const giveUp = performance.now() + PATIENCE_MS
  for (;;) {
    const before = usageBelow(root)
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS))
    const busy = [...usageBelow(root)].filter(([pid, used]) => used > (before.get(pid) ?? used))
    if (busy.length > 0 || performance.now() > giveUp) return busy.map(([pid]) => pid)
  }
}

/**
 * How many of these processes go on computing. The look lasts until none does, or for some seconds: a task without end never
 * rests, while a process that was just being started for the next task, whosever that is, soon waits for it.
 */
export async function computing(pids: readonly number[]): Promise<number> {
  const giveUp = performance.now() + PATIENCE_MS
  const ticks = (): Map<number, number> =>
    new Map(pids.flatMap((pid) => (stateOf(pid) === null ? [] : [[pid, stateOf(pid)?.used ?? 0]])))
  for (;;) {
    const before = ticks()
    if (before.size === 0) return 0
    await new Promise((resolve) => setTimeout(resolve, 3 * WINDOW_MS))
    const busy = [...ticks()].filter(([pid, used]) => used > (before.get(pid) ?? used))
    if (busy.length === 0 || performance.now() > giveUp) return busy.length
  }
}

/** Clock ticks used by every process below `root`, without it. */
function usageBelow(root: number): Map<number, number> {
  const all = new Map<number, { parent: number; used: number }>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const found = Number.isInteger(pid) ? stateOf(pid) : null
    if (found !== null) all.set(pid, found)
  }
  const isBelow = (pid: number): boolean => {
    for (let at = all.get(pid)?.parent; at !== undefined && at > 1; at = all.get(at)?.parent) {
      if (at === root) return true
    }
    return false
  }
  return new Map([...all].filter(([pid]) => isBelow(pid)).map(([pid, { used }]) => [pid, used]))
}

function stateOf(pid: number): { parent: number; used: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; what follows the last one is plain.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      parent: Number(fields[1]),
      used: Number(fields[11]) + Number(fields[12]),
    }
  } catch {
    return null
  }
}

/** How many nodes take the token, as far as each of them knows. */
export async function accepting(clients: readonly ControlClient[], token: string): Promise<number> {
  const verdicts = await Promise.all(clients.map((client) => client.verifyConsent({ token })))
  return verdicts.filter(({ valid }) => valid).length
}
