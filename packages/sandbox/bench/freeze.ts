import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createNativeExecutor, createPortableExecutor, type Executor, locateNative } from '../src/index.ts'
import { countedTask } from '../src/testing/wat.ts'
import { COMPONENTS, quantile, repeat, smallRequest, timed, withExecutor } from './sample.ts'

/** Milliseconds. */
export interface FreezeTimes {
  /** From `freeze()` until it says that nothing of a computing task runs any more. */
  readonly freeze: { readonly median: number; readonly p99: number }
  /** From `kill()` until the process is gone. */
  readonly kill: { readonly median: number; readonly p99: number }
  /** From SIGKILL of the agent until nothing below it is left running. */
  readonly agentDeath: { readonly median: number; readonly most: number }
  /** The same for SIGKILL of the warden; null for the portable executor, which has none. */
  readonly wardenDeath: { readonly median: number; readonly most: number } | null
}

const AGENT = fileURLToPath(new URL('../test/agent-death.ts', import.meta.url))
const GIVE_UP = 5000
const sleep = (span: number) => new Promise((resolve) => setTimeout(resolve, span))

/** Freezes a computing task `samples` times, and kills one, its agent and its warden `deaths` times each. */
export async function measureFreeze(
  samples = 200,
  deaths = 15,
): Promise<{ portable: FreezeTimes; native: FreezeTimes | null }> {
  const binaries = locateNative()
  const portable = await measure(createPortableExecutor(COMPONENTS), 'probe', samples, deaths)
  if ('missing' in binaries) return { portable, native: null }
  return {
    portable,
    native: await measure(createNativeExecutor(COMPONENTS, { binaries }), 'native', samples, deaths),
  }
}

async function measure(
  executor: Executor,
  kind: string,
  samples: number,
  deaths: number,
): Promise<FreezeTimes> {
  const module = await countedTask('(loop $again (br $again))')
  const isNative = kind === 'native'
  return withExecutor(executor, async () => {
    const execution = await executor.execute(smallRequest(module))
    await sleep(300)
    const freezes = await repeat(samples, async () => {
      const span = await timed(() => execution.freeze())
      await execution.thaw()
      await sleep(5)
      return span
    })
    await execution.kill('measured')
    const kills = await repeat(deaths, async () => {
      const own = await executor.execute(smallRequest(module))
      await sleep(100)
      return timed(() => own.kill('measured'))
    })
    const wardens = isNative ? await repeat(deaths, () => wardenDeath(executor, module)) : null
    const agents = await repeat(deaths, () => agentDeath(kind))
    return {
      freeze: { median: quantile(freezes, 0.5), p99: quantile(freezes, 0.99) },
      kill: { median: quantile(kills, 0.5), p99: quantile(kills, 0.99) },
      agentDeath: { median: quantile(agents, 0.5), most: Math.max(...agents) },
      wardenDeath: wardens === null ? null : { median: quantile(wardens, 0.5), most: Math.max(...wardens) },
    }
  })
}

async function wardenDeath(executor: Executor, module: Uint8Array): Promise<number> {
  const before = new Set(below(process.pid))
  const execution = await executor.execute(smallRequest(module))
  await sleep(300)
  const wardens = childrenOf(process.pid).filter((pid) => nameOf(pid) === 'askee-warden')
  // A spare may have been started beside it: both die.
  const work = below(process.pid).filter((pid) => !before.has(pid))
  const start = performance.now()
  for (const pid of wardens) process.kill(pid, 'SIGKILL')
  await untilGone(work, start)
  const span = performance.now() - start
  await execution.outcome
  return span
}

async function agentDeath(kind: string): Promise<number> {
  const agent = spawn(process.execPath, [AGENT, kind], { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve) =>
    agent.stdout.once('data', (data) => resolve(String(data))),
  )
  const work = line.trim().split(' ').map(Number)
  const start = performance.now()
  agent.kill('SIGKILL')
  await untilGone(work, start)
  return performance.now() - start
}

async function untilGone(pids: readonly number[], start: number): Promise<void> {
  while (pids.some(isRunning)) {
    if (performance.now() - start > GIVE_UP) throw new Error(`expected ${pids} to be gone in ${GIVE_UP} ms`)
    await sleep(1)
  }
}

/** Fields of /proc/pid/stat from the state on; empty for a process that is gone. */
function fieldsOf(pid: number | string): string[] {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** A zombie runs nothing any more. */
function isRunning(pid: number): boolean {
  const [state] = fieldsOf(pid)
  return state !== undefined && state !== 'Z' && state !== 'X'
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim()
  } catch {
    return ''
  }
}

function childrenOf(parent: number): number[] {
  const isProcess = (name: string) => /^\d+$/.test(name)
  return readdirSync('/proc')
    .filter((name) => isProcess(name) && fieldsOf(name)[1] === String(parent))
    .map(Number)
}

function below(parent: number): number[] {
  return childrenOf(parent).flatMap((pid) => [pid, ...below(pid)])
}

if (import.meta.main) console.dir(await measureFreeze(), { depth: 4 })
