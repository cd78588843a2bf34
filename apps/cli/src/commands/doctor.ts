import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import type { StatusView } from '@askee/client'
import { errorText, silentLogger, systemClock, systemTimers } from '@askee/core'
import type { EngineDescription, ExecutorPolicy } from '@askee/sandbox'
import { Command } from 'commander'
import { EXIT } from '../exit.ts'
import { count } from '../terminal/count.ts'
import { printData, printJson } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { remedyFor } from './doctor/remedies.ts'
import { controlClient, defaultDataDirectory, executorOption } from './options.ts'

interface DoctorOptions {
  data: string
  control?: string
  executor: ExecutorPolicy
  json?: boolean
}

interface Diagnosis {
  readonly node: { readonly version: string; readonly platform: string; readonly arch: string }
  /** Of the running agent, else of one that would be started now; null when none can be. */
  readonly executor: StatusView['executor'] | null
  /** Every engine there is, and what runs it best here. A node takes one of them. */
  readonly engines: readonly EngineFound[]
  /** Why there is no executor. */
  readonly problem: string | null
  /** Layers that are missing, and what would bring them. */
  readonly missing: readonly { readonly name: string; readonly detail: string; readonly remedy: string }[]
  readonly dataDirectory: { readonly path: string; readonly state: string }
  readonly agent: { readonly node: string; readonly peers: number } | null
}

interface EngineFound {
  readonly engine: 'wasmtime' | 'v8'
  /** The option of `askee agent` that takes it. */
  readonly policy: ExecutorPolicy
  readonly version: string | null
  readonly tier: string | null
  /** Why it is not there; null when it is. */
  readonly problem: string | null
}

/** `askee doctor`: what holds a task on this machine, what is missing, and what would bring it. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what holds tasks on this machine, what is missing and what would bring it')
    .option('--data <directory>', 'data directory of the agent', defaultDataDirectory())
    .option('--control <socket>', 'control socket of the agent')
    .addOption(executorOption())
    .option('--json', 'print one object')
    .action(async (options: DoctorOptions) => {
      const diagnosis = await diagnose(options)
      if (options.json === true) printJson(diagnosis)
      else printDiagnosis(diagnosis)
      process.exitCode = diagnosis.executor === null ? EXIT.failure : EXIT.ok
    })
}

async function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  const status = await controlClient(options)
    .status()
    .catch(() => null)
  const probed = status === null ? await probe(options.executor) : status.executor
  const executor = typeof probed === 'string' ? null : probed
  const missing = (executor?.report ?? []).filter((layer) => layer.state === 'missing')
  return {
    node: { version: process.version, platform: process.platform, arch: process.arch },
    executor,
    engines: await enginesHere(),
    problem: typeof probed === 'string' ? probed : null,
    missing: missing.map(({ name, detail }) => ({ name, detail, remedy: remedyFor(name) })),
    dataDirectory: { path: options.data, state: await stateOf(options.data) },
    agent: status === null ? null : { node: status.node, peers: status.peers.length },
  }
}

/** What an agent would run tasks on if it were started now, or why it could not. */
async function probe(policy: ExecutorPolicy): Promise<StatusView['executor'] | string> {
  const { chooseExecutor } = await import('@askee/sandbox')
  const components = { clock: systemClock, timers: systemTimers, logger: silentLogger }
  const executor = chooseExecutor(components, { policy })
  try {
    await executor.start()
    return viewOf(executor.describe())
  } catch (error) {
    return errorText(error)
  } finally {
    await executor.stop()
  }
}

/** V8 is always there: it runs this program. */
async function enginesHere(): Promise<EngineFound[]> {
  const found: EngineFound[] = []
  for (const [engine, policy] of [
    ['wasmtime', 'native'],
    ['v8', 'v8'],
  ] as const) {
    const probed = await probe(policy)
    found.push(
      typeof probed === 'string'
        ? { engine, policy, version: null, tier: null, problem: probed }
        : { engine, policy, version: probed.engineVersion, tier: probed.tier, problem: null },
    )
  }
  return found
}

function viewOf({ layers, report = [], reason, ...rest }: EngineDescription): StatusView['executor'] {
  return { ...rest, layers: [...layers], report: [...report], ...(reason === undefined ? {} : { reason }) }
}

async function stateOf(path: string): Promise<string> {
  try {
    const found = await stat(path)
    if (!found.isDirectory()) return 'not a directory'
    await access(path, constants.W_OK)
    const isOpen = process.platform !== 'win32' && (found.mode & 0o077) !== 0
    return isOpen ? 'writable, but other users can enter it: chmod 700' : 'writable'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'does not exist yet; the first start makes it' : errorText(error)
  }
}

function printDiagnosis(diagnosis: Diagnosis): void {
  const { node, executor, missing, dataDirectory, agent } = diagnosis
  printData(`node        ${node.version} on ${node.platform} ${node.arch}`)
  printData(`agent       ${agent === null ? 'not running' : `${agent.node}, ${count(agent.peers, 'peer')}`}`)
  printData(`data        ${dataDirectory.path} (${dataDirectory.state})`)
  if (executor === null) {
    printData(`executor    none: ${diagnosis.problem}`)
    return
  }
  printData(`executor    ${executor.name}: ${executor.engine} ${executor.engineVersion}`)
  printData(`tier        ${executor.tier}`)
  for (const line of engineLines(diagnosis.engines)) printData(line)
  if (executor.reason !== undefined) printData(`why         ${executor.reason}`)
  printData('')
  const rows = executor.report.map(({ name, state, detail }) => [
    state === 'enforced' ? '✓' : '✗',
    name,
    detail,
  ])
  const columns = ['', 'layer', 'detail'].map((title) => ({ title, align: 'left' }) as const)
  printData(formatTable(columns, rows))
  if (executor.name !== 'portable') {
    printData(
      '\nTried with a task at 50 % of one processor; tasks that run are held to the share that their consent allows.',
    )
  }
  if (missing.length > 0) printData('\nTo have what is missing:')
  const remedies = Map.groupBy(missing, ({ remedy }) => remedy)
  for (const [remedy, layers] of remedies) {
    printData(`- ${layers.map(({ name }) => name).join(', ')}: ${remedy}`)
  }
}

function engineLines(engines: readonly EngineFound[]): string[] {
  return engines.map(({ engine, policy, version, tier, problem }, i) => {
    const head = i === 0 ? 'engines' : ''
    const what =
      problem === null
        ? `${engine} ${version}, ${tier}: askee agent --executor ${policy}`
        : `no ${engine}: ${problem}`
    return `${head.padEnd(12)}${what}`
  })
}
