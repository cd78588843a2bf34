/** Puts warden, runner, tasks and a first process into an initramfs, boots it, and reads what it measured. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { runTask, task } from '@askee/sandbox/testing'
import { taskStream } from '../escape/native-task.ts'
import { missingPrograms, PROGRAMS } from '../escape/warden.ts'
import { apparmorEntries } from './apparmor.ts'
import { CHARACTER_DEVICE, cpio, DIRECTORY, type Entry, FILE, PROGRAM } from './cpio.ts'
import { boot, type Installs, type Kernel, NotHere, obtainKernel } from './machine.ts'
import { v8InGuest } from './v8.ts'

export interface Measured {
  readonly name: string
  readonly asked: string
  readonly measured: string
  readonly holds: boolean
}

export interface CgroupRun {
  readonly kernel: string
  readonly results: readonly Measured[]
  /** What could not be tried there, and why. */
  readonly notRun: readonly string[]
  readonly seconds: number
  /** Whether the machine came to its end by itself. */
  readonly isComplete: boolean
}

const GUEST = fileURLToPath(new URL('guest/main.rs', import.meta.url))
const DISK_BYTES = 64 * 1024 * 1024
/** Booting takes some 10 to 20 s without KVM, the experiments about four minutes; a busy machine a multiple. */
const PATIENCE = 1_800_000
const MIB = 1024 * 1024

/**
 * @param only the beginning of the names of experiments, for whoever works at one of them
 * @throws NotHere where it cannot be done
 */
export async function measureCgroups(
  installs: Installs,
  onLine: (line: string) => void,
  only = '',
): Promise<CgroupRun> {
  const missing = missingPrograms()
  if (missing !== null) throw new NotHere(missing)
  const kernel = obtainKernel(installs)
  const directory = mkdtempSync(join(tmpdir(), 'askee-cgroup-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    const init = join(directory, 'init')
    compileGuest(init)
    const initramfs = join(directory, 'initramfs')
    writeFileSync(initramfs, await archive(init, kernel, only))
    const disk = join(directory, 'disk')
    writeFileSync(disk, '')
    truncateSync(disk, DISK_BYTES)
    return await run(kernel, initramfs, disk, onLine)
  } finally {
    process.off('exit', remove)
    remove()
  }
}

async function run(
  kernel: Kernel,
  initramfs: string,
  disk: string,
  onLine: (line: string) => void,
): Promise<CgroupRun> {
  const results: Measured[] = []
  const notRun: string[] = []
  let [version, isComplete] = ['', false]
  const start = performance.now()
  const read = (line: string) => {
    onLine(line)
    if (!line.startsWith('@@ ')) return
    const said = JSON.parse(line.slice(3)) as Measured &
      Partial<{ kernel: string; end: true; notRun: string }>
    if (said.kernel !== undefined) version = said.kernel
    else if (said.end === true) isComplete = true
    else if (said.notRun !== undefined) notRun.push(said.notRun)
    else results.push(said)
  }
  await boot({ kernel, initramfs, disk, patience: PATIENCE, onLine: read })
  return {
    kernel: version,
    results,
    notRun,
    isComplete,
    seconds: Math.round((performance.now() - start) / 1000),
  }
}

function compileGuest(output: string): void {
  const path = [process.env.PATH, join(homedir(), '.cargo/bin')].join(delimiter)
  const args = ['--edition', '2024', '-O', '-C', 'target-feature=+crt-static', '-o', output, GUEST]
  const { status, stderr, error } = spawnSync('rustc', args, {
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  })
  if (error !== undefined) throw new NotHere('rustc is not installed')
  if (status !== 0) throw new Error(`the first process could not be built: ${stderr}`)
}

/** Two archives, one after the other. Node is large and would take the guest, which has no KVM, long to unpack. */
async function archive(init: string, kernel: Kernel, only: string): Promise<Buffer> {
  const v8 = await v8InGuest()
  const policy: Entry = { path: 'task/v8.policy', mode: FILE, content: Buffer.from(v8.policy) }
  const plain = [...v8.entries, policy]
  const rest = await entries(init, kernel, only)
  const known = new Set(rest.map(({ path }) => path))
  const own = plain.filter(({ path }) => !known.has(path))
  return Buffer.concat([
    cpio([...folders(own.map(({ path }) => dirname(path))), ...own]),
    gzipSync(cpio(rest), { level: 1 }),
  ])
}

async function entries(init: string, kernel: Kernel, only: string): Promise<Entry[]> {
  const directories = ['dev', 'proc', 'sys', 'tmp', 'run', 'root']
  const tasks = new Map(await streams())
  const files: Entry[] = [
    { path: 'dev/console', mode: CHARACTER_DEVICE, device: [5, 1] },
    { path: 'init', mode: PROGRAM, content: readFileSync(init) },
    // Where the AppArmor profile expects them.
    { path: 'usr/lib/askee/askee-warden', mode: PROGRAM, content: readFileSync(PROGRAMS.warden) },
    { path: 'usr/lib/askee/askee-runner', mode: PROGRAM, content: readFileSync(PROGRAMS.runner) },
    ...apparmorEntries(),
    { path: 'task/only', mode: FILE, content: Buffer.from(only) },
    ...[...tasks].map(([name, content]) => ({ path: `task/${name}`, mode: FILE, content })),
    ...kernel.modules.map((path) => ({
      path: `modules/${basename(path)}`,
      mode: FILE,
      content: readFileSync(path),
    })),
    {
      path: 'modules/order',
      mode: FILE,
      content: Buffer.from(kernel.modules.map((path) => basename(path)).join('\n')),
    },
  ]
  return [...folders([...directories, ...files.map(({ path }) => dirname(path))]), ...files]
}

/** Each folder and those it is in, from the outermost on. */
function folders(paths: readonly string[]): Entry[] {
  const all = new Set<string>()
  const add = (path: string) => {
    if (path === '.' || all.has(path)) return
    add(dirname(path))
    all.add(path)
  }
  for (const path of paths) add(path)
  return [...all].map((path) => ({ path, mode: DIRECTORY }))
}

async function streams(): Promise<(readonly [string, Uint8Array])[]> {
  const fuel = (2n ** 62n) as never
  const pages = (96 * MIB) / 65_536
  const hungry = await task({
    pages: [pages, pages],
    body: `(func (export "run") (memory.fill (i32.const 0) (i32.const 1) (i32.const ${96 * MIB})) (loop $again (br $again)))`,
  })
  return [
    [
      'spin',
      taskStream(await runTask('(call $log (i32.const 0) (i32.const 1)) (loop $again (br $again))'), {
        limits: { fuel },
      }),
    ],
    ['quick', taskStream(await runTask(''))],
    ['hungry', taskStream(hungry, { limits: { fuel, memoryBytes: 96 * MIB } })],
  ]
}
