import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CampaignView, ControlClient, EventView } from '@askee/client'
import { TASK_KINDS, type TaskKind } from '@askee/consent'
import { check } from '@askee/wasm'
import { Command, Option } from 'commander'
import { EXIT, usageError } from '../exit.ts'
import { isFancy, printable, printData, printJson, printNote } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { controlClient, integer } from './options.ts'

interface SubmitOptions {
  data?: string
  control?: string
  input?: string[]
  purpose: string
  kind: TaskKind
  f: number
  fuel: number
  memoryMb: number
  outputKb: number
  wallSeconds: number
  deadlineMinutes: number
  outputDir?: string
  wait?: boolean
  json?: boolean
}

/** Most printed of a task's output in the table; all of it goes into --json and --output-dir. */
const SHOWN_BYTES = 48

/** `askee submit`: one module, many inputs, results that can be trusted. */
export function submitCommand(): Command {
  return new Command('submit')
    .description('run a module on the machines of volunteers who consented, each input on 2f+1 of them')
    .argument('<module>', 'WebAssembly module (docs/determinism.md says what a task imports and exports)')
    .option('--input <file...>', 'one task an input; without any, one task with an empty input')
    .option('--purpose <text>', 'what for, in plain words; volunteers read it', 'unspecified work')
    .addOption(new Option('--kind <kind>', 'kind of work').choices(TASK_KINDS).default('scientific-compute'))
    .option('--f <count>', 'wrong answers tolerated per task', integer(0, 10), 1)
    .option('--fuel <units>', 'work allowed per task', integer(1, Number.MAX_SAFE_INTEGER), 10_000_000_000)
    .option('--memory-mb <MiB>', 'memory allowed per task', integer(1, 4096), 256)
    .option('--output-kb <KiB>', 'output allowed per task', integer(0, 65_536), 1024)
    .option('--wall-seconds <seconds>', 'time allowed per task on one machine', integer(1, 172_800), 600)
    .option('--deadline-minutes <minutes>', 'end of the whole campaign', integer(1, 2880), 60)
    .option('--wait', 'wait for the results')
    .option(
      '--output-dir <directory>',
      'with --wait: write each accepted output to a file, named by its number',
    )
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one object')
    .action(submit)
}

async function submit(file: string, options: SubmitOptions): Promise<void> {
  if (options.outputDir !== undefined && options.wait !== true) throw usageError('--output-dir needs --wait')
  const module = new Uint8Array(await readFile(file))
  check(module, { abi: 'askee', maxMemoryBytes: options.memoryMb * 1_048_576 })
  const inputs =
    options.input === undefined ? [new Uint8Array()] : await Promise.all(options.input.map(readInput))

  const client = controlClient(options)
  const digest = await client.putBlock(module)
  const inputDigests: string[] = []
  for (const input of inputs) inputDigests.push(await client.putBlock(input))
  const { id } = await client.submit({
    purpose: options.purpose,
    kind: options.kind,
    module: digest,
    inputs: inputDigests,
    resources: {
      fuel: String(options.fuel),
      memoryBytes: options.memoryMb * 1_048_576,
      outputBytes: options.outputKb * 1024,
      wallTimeMs: options.wallSeconds * 1000,
    },
    f: options.f,
    deadlineMs: options.deadlineMinutes * 60_000,
    minReputation: 0,
  })
  if (options.wait !== true) {
    if (options.json === true) printJson({ campaign: id })
    else printData(id)
    return
  }
  printNote(`campaign ${id}: ${inputs.length} tasks, f = ${options.f}`)
  const view = await waitShowing(client, id, inputs.length)
  if (options.outputDir !== undefined) await writeOutputs(options.outputDir, view)
  if (options.json === true) printJson(jsonOf(view))
  else printTable(view)
  if (view.tasks.some((task) => task.state !== 'accepted')) process.exitCode = EXIT.failure
}

async function readInput(file: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(file))
}

/** Waits for the end of a campaign while a counter goes up on the terminal. */
async function waitShowing(client: ControlClient, id: string, total: number): Promise<CampaignView> {
  const over = new AbortController()
  let decided = 0
  const watch = async (): Promise<void> => {
    for await (const event of client.events(over.signal)) {
      if (event.campaign !== id) continue
      if (isDecision(event)) decided++
      process.stderr.write(`\r${decided} of ${total} decided`)
    }
  }
  const watching = isFancy(process.stderr) ? watch().catch(() => undefined) : undefined
  try {
    return await client.wait(id)
  } finally {
    over.abort()
    if (watching !== undefined) process.stderr.write('\r\x1b[K')
  }
}

function isDecision(event: EventView): boolean {
  return event.type === 'accepted' || event.type === 'undecidable'
}

async function writeOutputs(directory: string, view: CampaignView): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const task of view.tasks) {
    if (task.result === null) continue
    await writeFile(join(directory, `${task.index}.out`), Buffer.from(task.result.output, 'base64'))
  }
}

function jsonOf(view: CampaignView): object {
  return {
    ...view,
    tasks: view.tasks.map((task) => ({
      ...task,
      result:
        task.result === null
          ? null
          : { ...task.result, output: Buffer.from(task.result.output, 'base64').toString('hex') },
    })),
  }
}

function printTable(view: CampaignView): void {
  const shown = (base64: string): string => {
    const bytes = Buffer.from(base64, 'base64')
    const text = bytes.toString('utf8')
    const isText = !text.includes('\ufffd') && printable(text.trimEnd()) === text.trimEnd()
    const line = isText ? text.trimEnd() : bytes.subarray(0, SHOWN_BYTES / 2).toString('hex')
    return line.length > SHOWN_BYTES ? `${line.slice(0, SHOWN_BYTES)}…` : line
  }
  printData(
    formatTable(
      [
        { title: 'task', align: 'right' },
        { title: 'state', align: 'left' },
        { title: 'trap', align: 'left' },
        { title: 'fuel', align: 'right' },
        { title: 'replicas', align: 'right' },
        { title: 'output', align: 'left' },
      ],
      view.tasks.map((task) => [
        String(task.index),
        task.state,
        task.result?.trap ?? '',
        task.result?.fuel ?? '',
        String(task.replicas),
        task.result === null ? (task.reason ?? '') : shown(task.result.output),
      ]),
    ),
  )
  for (const { node, offence, task } of view.accused) printData(`accused: ${node} (${offence}, ${task})`)
}
