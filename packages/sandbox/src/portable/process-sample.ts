import { readdirSync, readFileSync } from 'node:fs'
import type { Milliseconds } from '@askee/core'

/** What the operating system says of a process. */
export interface ProcessSample {
  readonly cpuTime: Milliseconds
  readonly residentBytes: number
  readonly peakBytes: number
}

/** USER_HZ, which Linux fixes at 100 for every architecture Node runs on. */
const MILLISECONDS_PER_TICK = 10

/** @returns null where there is no /proc, or the process is gone */
export function sampleProcess(pid: number): ProcessSample | null {
  try {
    const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    return {
      cpuTime: (Number(fields[11]) + Number(fields[12])) * MILLISECONDS_PER_TICK,
      residentBytes: kibibytes(status, 'VmRSS'),
      peakBytes: kibibytes(status, 'VmHWM'),
    }
  } catch {
    return null
  }
}

/** Whether every thread of the process is stopped (or gone); null where there is no /proc to tell. */
export function isStopped(pid: number): boolean | null {
  let threads: string[]
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    return null
  }
  return threads.every((thread) => {
    try {
      const state = statFields(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'))[0]
      return state === 'T' || state === 't' || state === 'Z' || state === 'X'
    } catch {
      return true
    }
  })
}

/** Fields of a stat line from the third (state) on; the second is a name that may hold blanks and parentheses. */
function statFields(line: string): string[] {
  return line.slice(line.lastIndexOf(')') + 2).split(' ')
}

function kibibytes(status: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)
  return match === null ? 0 : Number(match[1]) * 1024
}
