import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'

/** A command in front of the runner that has Linux hold it tighter, and what it adds in the words of docs/containment.md. */
export interface Wrapper {
  readonly command: readonly string[]
  readonly layers: readonly string[]
  /** Whether the kernel kills the runner when the agent dies; if not, a thread of the runner watches its stdin. */
  readonly tiesLife: boolean
}

const NONE: Wrapper = { command: [], layers: [], tiesLife: false }
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv']
const PRLIMIT = ['/usr/bin/prlimit', '/bin/prlimit']
/** Enough for Node's own descriptors; a task has no call that opens one. */
const MAX_OPEN_FILES = 64

/** Finds out, by running it once, how tightly this machine can hold a runner with a stack of `stackKiB`. */
export async function probeWrapper(stackKiB: number): Promise<Wrapper> {
  if (process.platform === 'win32') {
    // libuv puts every child into a job object that ends with its parent.
    return { command: [], layers: ['killed with the agent (job object)'], tiesLife: true }
  }
  if (process.platform !== 'linux') return NONE
  const setpriv = SETPRIV.find((path) => existsSync(path))
  const prlimit = PRLIMIT.find((path) => existsSync(path))
  if (setpriv === undefined) return NONE
  const held: Wrapper = {
    command: [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--'],
    layers: ['killed with the agent (parent death signal)', 'no new privileges'],
    tiesLife: true,
  }
  const limits = ['--core=0', '--fsize=0', `--nofile=${MAX_OPEN_FILES}`, `--stack=${stackKiB * 1024}:`]
  const limited: Wrapper = {
    command: [...held.command, prlimit ?? '', ...limits, '--'],
    layers: [...held.layers, 'no core dumps, no file growth, few descriptors (rlimits)'],
    tiesLife: true,
  }
  if (prlimit !== undefined && (await runs(limited))) return limited
  return (await runs(held)) ? held : NONE
}

function runs(wrapper: Wrapper): Promise<boolean> {
  const [command, ...args] = [...wrapper.command, '/bin/true']
  return new Promise((resolve) => {
    const child = spawn(command!, args, { env: {}, cwd: '/', stdio: 'ignore' })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })
}
