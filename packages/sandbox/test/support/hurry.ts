import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** How long the warden takes at most to set the priorities of what it starts. */
const LOOK = 30
const HURRIES = 12

/**
 * Takes what wardens below this process hold out of the idle class as far as this user may, so that tests of other things end
 * on a busy machine too. Returns what stops it.
 */
export function hurryHeld(): () => void {
  const left = new Map<number, number>()
  const look = () => {
    for (const warden of childrenOf(process.pid)) {
      for (const held of childrenOf(warden)) {
        const times = left.get(held) ?? HURRIES
        left.set(held, times - 1)
        if (times > 0) hurry(held)
      }
    }
  }
  const timer = setInterval(look, LOOK)
  return () => clearInterval(timer)
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    return tasks
      .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' '))
      .filter(Boolean)
      .map(Number)
  } catch {
    return []
  }
}

function hurry(pid: number): void {
  spawnSync('chrt', ['--all-tasks', '--other', '--pid', '0', String(pid)], { stdio: 'ignore' })
  for (const attempt of [() => setPriority(pid, 0), () => writeFileSync(`/proc/${pid}/autogroup`, '0')]) {
    try {
      attempt()
    } catch {
      // An ordinary user may not: it takes longer then.
    }
  }
}
