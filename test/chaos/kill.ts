/** kill -9 at a moment of choice, and what is left afterwards. */
import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTask } from '@askee/sandbox/testing'
import { countdown } from '../../packages/sandbox/src/testing/acceptance-stepwise.ts'
import { compileBomb } from '../escape/attempts/limits.ts'
import { taskStream } from '../escape/native-task.ts'
import { exists, isCollectedHere, lives, parentOf, sleep } from '../escape/processes.ts'
import { PROGRAMS, Warden } from '../escape/warden.ts'
import { PHASES, type Phase, play } from './phases.ts'

export type Victim = 'warden' | 'agent'

export interface KillRound {
  readonly victim: Victim
  readonly phase: Phase
  /** Milliseconds from the beginning of the phase to the kill. */
  readonly delay: number
}

export interface Aftermath {
  /** Milliseconds from the kill until nothing of it ran; null when something still does. */
  readonly gone: number | null
  /** What is left after that, processes (zombies too) and files. */
  readonly left: readonly string[]
}

const AGENT = fileURLToPath(new URL('agent.ts', import.meta.url))
const ORPHAN = ' (zombie, of init)'
const PATIENCE = 5_000
/** Init, or whoever took the orphans over, gets this long to collect the dead. */
const COLLECTING = 1_000

/** Copies of the programs under names of their own, by which whatever is left of them is found. */
class Site {
  readonly directory = mkdtempSync(join(tmpdir(), 'askee-chaos-'))
  readonly #tag = this.directory.slice(-6)
  readonly warden = join(this.directory, `w-${this.#tag}`)
  readonly runner = join(this.directory, `r-${this.#tag}`)
  readonly cache = join(this.directory, 'cache')
  readonly streams = new Map<Phase, string>()

  async prepare(): Promise<this> {
    process.once('exit', () => this.remove())
    for (const [from, to] of [
      [PROGRAMS.warden, this.warden],
      [PROGRAMS.runner, this.runner],
    ] as const) {
      copyFileSync(from, to)
      chmodSync(to, 0o755)
    }
    const endless = { limits: { fuel: (2n ** 62n) as never } }
    const spin = await runTask('(loop $again (br $again))')
    for (const phase of PHASES) {
      const module =
        phase === 'compile' ? compileBomb(2) : phase === 'checkpoint' ? await countdown(100_000) : spin
      const path = join(this.directory, `${phase}.stream`)
      writeFileSync(path, taskStream(module, { ...endless, input: Uint8Array.of(200) }))
      this.streams.set(phase, path)
    }
    return this
  }

  /** Compiling goes without the cache: it shall take its time every time. */
  policy(phase: Phase): string {
    const cache = `\ncache-directory ${this.cache}\ncache-key ${'07'.repeat(32)}`
    return `runner ${this.runner}${phase === 'compile' ? '' : cache}`
  }

  stream(phase: Phase): string {
    return this.streams.get(phase)!
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  processes(): number[] {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && this.#isOurs(pid))
  }

  #isOurs(pid: number): boolean {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
      if (name === `w-${this.#tag}` || name === `r-${this.#tag}`) return true
      return readlinkSync(`/proc/${pid}/exe`).startsWith(this.directory)
    } catch {
      return false
    }
  }

  /** Files that no one will ever look for again. */
  litter(): string[] {
    try {
      return readdirSync(this.cache).filter((name) => !name.endsWith('.compiled'))
    } catch {
      return []
    }
  }
}

let site: Promise<Site> | null = null

function killSite(): Promise<Site> {
  site ??= new Site().prepare()
  return site
}

/** Removes the programs and files of all rounds. */
export async function closeKillSite(): Promise<void> {
  const open = site
  site = null
  if (open !== null) (await open).remove()
}

/** Starts agent or warden, waits for the phase, kills it, and looks what remains. */
export async function killRound({ victim, phase, delay }: KillRound): Promise<Aftermath> {
  const here = await killSite()
  const kill = victim === 'warden' ? await startWarden(here, phase) : await startAgent(here, phase)
  await sleep(delay)
  const start = performance.now()
  const ended = kill()
  while (here.processes().some(lives)) {
    if (performance.now() - start > PATIENCE) return { gone: null, left: remains(here) }
    await sleep(0.5)
  }
  const gone = performance.now() - start
  await Promise.race([ended, sleep(COLLECTING)])
  const until = performance.now() + COLLECTING
  const collected = await isCollectedHere()
  while (collected && here.processes().some(exists) && performance.now() < until) await sleep(5)
  return { gone, left: remains(here).filter((text) => collected || !text.endsWith(ORPHAN)) }
}

function remains(here: Site): string[] {
  const processes = here.processes().map((pid) => {
    // A dead child of something of ours that lives was forgotten; one without is for init to collect.
    const isOrphan = !here.processes().includes(parentOf(pid) ?? 0) && parentOf(pid) !== process.pid
    return `process ${pid}${lives(pid) ? '' : isOrphan ? ORPHAN : ' (zombie)'}`
  })
  for (const pid of here.processes()) if (lives(pid)) process.kill(pid, 'SIGKILL')
  return [...processes, ...here.litter().map((name) => `file ${name}`)]
}

async function startWarden(here: Site, phase: Phase): Promise<() => Promise<unknown>> {
  const warden = new Warden(here.policy(phase), [], here.warden)
  const ready = play(warden, phase, readFileSync(here.stream(phase)))
  await Promise.race([ready, warden.ended])
  return () => warden.close()
}

async function startAgent(here: Site, phase: Phase): Promise<() => Promise<unknown>> {
  const args = [AGENT, phase, here.stream(phase), here.warden, here.policy(phase)]
  const agent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => agent.once('exit', resolve))
  await Promise.race([new Promise((resolve) => agent.stdout.once('data', resolve)), ended])
  return () => {
    agent.kill('SIGKILL')
    return ended
  }
}
