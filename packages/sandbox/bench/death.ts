import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createNativeExecutor, locateNative } from '../src/index.ts'
import { runTask } from '../src/testing/index.ts'
import { below, untilGone } from './processes.ts'
import { COMPONENTS, quantile, repeat, smallRequest, withExecutor } from './sample.ts'

/** Milliseconds from SIGKILL until nothing of the work runs any more. */
export interface Spans {
  readonly median: number
  readonly most: number
}

export interface DeathTimes {
  /** Of an agent with a computing and a frozen task and a spare. */
  readonly portable: Spans
  /** Null where the native executor is not built. */
  readonly native: Spans | null
  /** Of one warden, whose runner computes; null where it is not built. */
  readonly warden: Spans | null
  /** Of a process that started `bwrap --unshare-all --die-with-parent` around a computing one; null where it is not installed. */
  readonly bubblewrap: Spans | null
  /** Of a process with a computing Node child that would end at the end of its standard input. `GIVE_UP` means never. */
  readonly bareNode: Spans
}

export const BUBBLEWRAP = '/usr/bin/bwrap'
const AGENT = fileURLToPath(new URL('../test/agent-death.ts', import.meta.url))
const STARTER = fileURLToPath(new URL('starter.cjs', import.meta.url))
const GIVE_UP = 2000
const SPIN = 'process.stdin.on("end", () => process.exit()).resume(); setTimeout(() => { for (;;); }, 50)'
const CONFINED = ['--unshare-all', '--die-with-parent', '--ro-bind', '/', '/', '--proc', '/proc']

/** Kills agents, wardens and what is like them, `deaths` times each. */
export async function measureDeath(deaths = 20): Promise<DeathTimes> {
  const hasNative = !('missing' in locateNative())
  return {
    portable: await agentDeaths(deaths, AGENT, 'probe'),
    native: hasNative ? await agentDeaths(deaths, AGENT, 'native') : null,
    warden: hasNative ? await wardenDeaths(deaths) : null,
    bubblewrap: existsSync(BUBBLEWRAP)
      ? await agentDeaths(deaths, STARTER, BUBBLEWRAP, ...CONFINED, process.execPath, '-e', SPIN)
      : null,
    bareNode: await agentDeaths(3, STARTER, process.execPath, '-e', SPIN),
  }
}

/** Each agent prints the ids of the processes that must not outlive it. */
async function agentDeaths(deaths: number, ...args: readonly string[]): Promise<Spans> {
  const values = await repeat(deaths, async () => {
    const agent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve) =>
      agent.stdout.once('data', (data) => resolve(String(data))),
    )
    const work = line.trim().split(' ').map(Number)
    const start = performance.now()
    agent.kill('SIGKILL')
    const span = await untilGone(work, start, GIVE_UP)
    endAll(work)
    return span
  })
  return spans(values)
}

async function wardenDeaths(deaths: number): Promise<Spans> {
  const binaries = locateNative()
  if ('missing' in binaries) throw new Error(binaries.missing)
  const module = await runTask('(loop $again (br $again))')
  return withExecutor(createNativeExecutor(COMPONENTS, { binaries, spares: 0 }), async (executor) => {
    const values = await repeat(deaths, async () => {
      const execution = await executor.execute(smallRequest(module))
      await new Promise((resolve) => setTimeout(resolve, 300))
      const [warden = 0, ...work] = below(process.pid)
      const start = performance.now()
      process.kill(warden, 'SIGKILL')
      const span = await untilGone(work, start, GIVE_UP)
      await execution.outcome
      return span
    })
    return spans(values)
  })
}

function endAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone, as it should be.
    }
  }
}

function spans(values: readonly number[]): Spans {
  return { median: quantile(values, 0.5), most: Math.max(...values) }
}

if (import.meta.main) console.dir(await measureDeath(), { depth: 4 })
