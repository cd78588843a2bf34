/** 50: a system that forbids user namespaces, played by a namespace inside which no further one is allowed. */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { runTask } from '@askee/sandbox/testing'
import { RUNNER_FOLDER } from '../../../packages/sandbox/src/v8/files.ts'
import { CHILD, runnerFlags } from '../../../packages/sandbox/src/v8/flags.ts'
import { v8PolicyLines } from '../../../packages/sandbox/src/v8/policy.ts'
import { type Attempt, doesNotApply, type Part, seen } from '../attempt.ts'
import { lastFrame, taskStream, tellFrame } from '../native-task.ts'
import { hurryBelow } from '../processes.ts'
import { PROGRAMS, Warden } from '../warden.ts'

const NO_MORE = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"'
/** Stands before a command: changes nothing outside its own namespace. */
export const WITHOUT_NAMESPACES = ['/usr/bin/unshare', '--user', '--map-root-user', '/bin/sh', '-c', NO_MORE]

export interface Report {
  readonly tier: string
  readonly layers: readonly { name: string; state: 'enforced' | 'missing'; detail: string }[]
}

/** What a warden started by `command` says of this machine. */
export function probe(command: readonly string[]): Report {
  const [file, ...args] = [...command, PROGRAMS.warden, '--probe']
  const { stdout, stderr } = spawnSync(file!, args, { encoding: 'utf8', env: {}, timeout: 20_000 })
  try {
    return JSON.parse(stdout) as Report
  } catch {
    throw new Error(`expected a report, received ${stdout}${stderr}`)
  }
}

async function outcome(policy: string, command = WITHOUT_NAMESPACES): Promise<string> {
  const warden = new Warden(policy, command)
  void warden.ended.then(hurryBelow(warden.pid))
  warden.sendTask(taskStream(await runTask('')))
  const last = tellFrame(await lastFrame(warden), 2n ** 62n)
  await warden.close()
  return last
}

async function blocked(): Promise<readonly Part[]> {
  const report = probe(WITHOUT_NAMESPACES)
  const missing = report.layers.filter(({ state }) => state === 'missing').map(({ name }) => name)
  const names = missing.includes('user-namespace') && missing.includes('empty-root')
  const refused = await outcome('')
  const allowed = await outcome('tier process')
  const open = probe([])
  const lines = await v8PolicyLines({
    program: process.execPath,
    child: CHILD,
    seal: join(dirname(PROGRAMS.warden), 'libaskee_seal.so'),
    flags: runnerFlags(RUNNER_FOLDER, ['--allow-addons']),
  })
  const v8 = ['tier process', ...lines].join('\n')
  const notHeld = await outcome(v8)
  const held = await outcome(v8, [])
  const contained = seen(
    report.tier === 'process' && names,
    `tier ${report.tier}; missing: ${missing.filter((name) => !/cgroup-|duty/.test(name)).join(', ')}`,
  )
  return [
    {
      name: 'declared',
      contained,
      withoutSeccomp: doesNotApply('what is declared missing does not depend on it'),
      control: seen(open.tier === 'contained', `not blocked: tier ${open.tier}`),
    },
    {
      name: 'a consent that demands contained',
      contained: seen(refused.startsWith('refused: tier'), refused.slice(0, 60)),
      withoutSeccomp: doesNotApply('refused before any byte of a task'),
      control: seen(/^ null/.test(allowed), 'one that does not: runs'),
    },
    {
      name: 'V8, whose files need a root',
      contained: seen(notHeld.startsWith('refused: start'), notHeld.slice(0, 60)),
      withoutSeccomp: doesNotApply('refused before any byte of a task'),
      control: seen(/^ null/.test(held), 'not blocked: runs'),
    },
  ]
}

export const namespaceAttempts: readonly Attempt[] = [
  {
    number: 50,
    name: 'user namespaces blocked',
    expected: 'lower tier declared, never silent',
    run: blocked,
  },
]
