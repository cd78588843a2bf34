/** What Linux says of processes. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** State letter and parent of a process; null when there is none. */
function statOf(pid: number): { state: string; parent: number } | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parent] = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return { state: state!, parent: Number(parent) }
  } catch {
    return null
  }
}

/** Runs, or could: neither gone nor waiting to be collected. */
export function lives(pid: number): boolean {
  const state = statOf(pid)?.state
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Whether there is still an entry for it, dead or alive. */
export function exists(pid: number): boolean {
  return statOf(pid) !== null
}

export function parentOf(pid: number): number | null {
  return statOf(pid)?.parent ?? null
}

let collected: Promise<boolean> | null = null

/** Whether anybody collects dead orphans here: the first process of some containers does not. */
export function isCollectedHere(): Promise<boolean> {
  collected ??= look()
  return collected
}

async function look(): Promise<boolean> {
  const shell = spawn('/bin/sh', ['-c', 'sleep 0.1 & echo $!'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const orphan = await new Promise<number>((resolve) =>
    shell.stdout.once('data', (text) => resolve(Number(text))),
  )
  await sleep(1_000)
  return !exists(orphan)
}

/** Children of a process, and theirs. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const child = Number(name)
    if (!Number.isInteger(child)) continue
    const parent = statOf(child)?.parent
    if (parent !== undefined) parents.set(parent, [...(parents.get(parent) ?? []), child])
  }
  const found: number[] = []
  const queue = [pid]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const children = parents.get(next) ?? []
    found.push(...children)
    queue.push(...children)
  }
  return found
}

/** Milliseconds until none of them lives; null when some still do after `patience`. */
export async function goneAfter(pids: readonly number[], patience: number): Promise<number | null> {
  const start = performance.now()
  while (pids.some(lives)) {
    if (performance.now() - start > patience) return null
    await sleep(0.5)
  }
  return performance.now() - start
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** `share` between 0 and 1; the greatest at 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** The warden sets the priorities of what it starts, and the kernel takes a change of an autogroup once in 100 ms. */
const HURRIES = 3

/**
 * Takes the work below a warden out of the idle class as far as this user may, so that a test of other things ends on a
 * busy machine too. Returns what stops it.
 */
export function hurryBelow(pid: number): () => void {
  const left = new Map<number, number>()
  const look = () => {
    for (const child of childrenOf(pid)) {
      const times = left.get(child) ?? HURRIES
      left.set(child, times - 1)
      if (times > 0) hurry(child)
    }
  }
  look()
  const timer = setInterval(look, 120)
  return () => clearInterval(timer)
}

function hurry(pid: number): void {
  spawn('chrt', ['--other', '--pid', '0', String(pid)], { stdio: 'ignore' }).on('error', () => undefined)
  for (const attempt of [() => setPriority(pid, 0), () => writeFileSync(`/proc/${pid}/autogroup`, '0')]) {
    try {
      attempt()
    } catch {
      // An ordinary user may not: it takes longer then.
    }
  }
}
