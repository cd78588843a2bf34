/** N19 to N37: native code in the runner's place, as wasmtime and as V8 is held, by the programs of native-sandbox/escape. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { type Attempt, type Part, type Seen, seen } from '../attempt.ts'
import { PROGRAMS } from '../warden.ts'

const run = promisify(execFile)
const LIST = new URL('../../../native-sandbox/escape/src/attempts.rs', import.meta.url)

const NAMES: ReadonlyMap<number, string> = new Map([
  [19, 'open files'],
  [20, 'inet, unix, netlink, vsock sockets'],
  [21, 'exec, exec from memory'],
  [22, 'fork bomb'],
  [23, 'ptrace, process_vm, pidfd_getfd'],
  [24, 'kill parent or all'],
  [25, 'mount, unshare, setns, chroot'],
  [26, 'io_uring'],
  [27, 'bpf, userfaultfd, perf, keyctl'],
  [28, 'int 0x80, x32'],
  [29, 'executable memory'],
  [30, "the processor's clock"],
  [31, 'scan descriptors'],
  [32, '/proc/1'],
  [33, 'abstract socket, socket file, System V'],
  [34, 'raise limit or priority'],
  [35, 'exceed memory'],
  [36, 'fill the disk'],
  [37, 'daemonise'],
])

interface Line {
  readonly attempt: string
  readonly escaped: boolean
  readonly by: string
  readonly outcome: string
}

type Flag = '--v8' | '--no-seccomp' | '--no-seal' | '--no-containment'

/** New code and the clock: V8 cannot do without, and docs/containment.md says that they are missing. */
const GIVEN_TO_V8: readonly number[] = [29, 30]

/** Names of all attempts, such as `19-read`. */
export function nativeNames(): string[] {
  return [...readFileSync(LIST, 'utf8').matchAll(/^\s*\("(\d+-[\w-]+)"/gm)].map((match) => match[1]!)
}

/** Carries the named attempts out, one process each. */
export async function runNatives(
  names: readonly string[],
  ...flags: Flag[]
): Promise<ReadonlyMap<string, Line>> {
  const args = ['--escape-test', ...names, ...flags]
  const { stdout } = await run(PROGRAMS.escapeWarden, args, { env: {}, cwd: '/', timeout: 120_000 })
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  return new Map(lines.map((line) => [line.attempt, line]))
}

export const nativeAttempts: readonly Attempt[] = [...NAMES].map(([number, name]) => ({
  number,
  name: `native: ${name}`,
  expected: 'killed by the filter; without it, stopped by another layer',
  run: async (): Promise<readonly Part[]> => {
    const names = nativeNames().filter((each) => each.startsWith(`${number}-`))
    const contained = await runNatives(names)
    const bare = await runNatives(names, '--no-seccomp')
    const control = await runNatives(names, '--no-containment')
    const parts = names.map((each) => ({
      name: each,
      contained: stopped(contained.get(each)),
      withoutSeccomp: stopped(bare.get(each)),
      control: succeeded(control.get(each)),
    }))
    return GIVEN_TO_V8.includes(number) ? parts : [...parts, ...(await runAsV8(names, control))]
  },
}))

async function runAsV8(
  names: readonly string[],
  control: ReadonlyMap<string, Line>,
): Promise<readonly Part[]> {
  const contained = await runNatives(names, '--v8')
  const bare = await runNatives(names, '--v8', '--no-seccomp')
  return names.map((each) => ({
    name: `${each} as V8`,
    contained: stopped(contained.get(each)),
    withoutSeccomp: stopped(bare.get(each)),
    control: succeeded(control.get(each)),
  }))
}

/** What stops an attempt: the filter, the watch, an error of the system; a fault where the clock is read. Nothing else is known to. */
const STOPS = /^(seccomp|memory-watch|.* \(os error \d+\))$/
const CLOCK_FAULT = 'signal 11'

/** An attempt whose line is missing is none that was stopped, nor is one that broke by itself. */
function stopped(line: Line | undefined): Seen {
  if (line === undefined) return seen(false, 'not carried out')
  if (line.escaped) return seen(false, line.outcome)
  const isStopped = STOPS.test(line.by) || (line.attempt.startsWith('30-') && line.by === CLOCK_FAULT)
  return seen(
    isStopped,
    isStopped ? brief(line.by) : `ended, and nothing is known to have stopped it: ${line.outcome}`,
  )
}

function succeeded(line: Line | undefined): Seen {
  if (line === undefined) return seen(false, 'not carried out')
  return seen(
    line.escaped,
    line.escaped ? line.outcome.replace('SUCCEEDED ', '') : `blocked: ${brief(line.by)}`,
  )
}

function brief(by: string): string {
  return by.replace(/ \(os error (\d+)\)/, ' ($1)')
}
