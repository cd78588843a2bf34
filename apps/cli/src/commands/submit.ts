import type { ControlClient } from '@askee/client'
import type { EnginePolicy } from '@askee/compute'
import { TASK_KINDS, type TaskKind } from '@askee/consent'
import { check } from '@askee/wasm'
import { Command, Option } from 'commander'
import { usageError } from '../exit.ts'
import { count } from '../terminal/count.ts'
import { agentOptionsOf } from '../terminal/hints.ts'
import { printData, printJson, printNote } from '../terminal/output.ts'
import { readModule, readNamedFile } from './files.ts'
import { controlClient, enginesOption, integer } from './options.ts'
import { showResults } from './results.ts'

interface SubmitOptions {
  data?: string
  control?: string
  input?: string[]
  purpose: string
  kind: TaskKind
  f: number
  engines: EnginePolicy
  fuel: number
  memoryMb: number
  outputKb: number
  wallSeconds: number
  deadlineMinutes: number
  outputDir?: string
  wait?: boolean
  json?: boolean
}

/** `askee submit`: one module, many inputs, results that can be trusted. */
export function submitCommand(): Command {
  return new Command('submit')
    .description('run a module on the machines of volunteers who consented, each input on 2f+1 of them')
    .argument('<module>', 'WebAssembly module (docs/determinism.md says what a task imports and exports)')
    .option('--input <file...>', 'one task an input; without any, one task with an empty input')
    .requiredOption('--purpose <text>', 'what for; literally what the consents of your volunteers name')
    .addOption(new Option('--kind <kind>', 'kind of work').choices(TASK_KINDS).default('scientific-compute'))
    .option('--f <count>', 'wrong answers tolerated per task', integer(0, 10), 1)
    .addOption(enginesOption())
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
  const module = await readModule(file)
  check(module, { abi: 'askee', maxMemoryBytes: options.memoryMb * 1_048_576 })
  const inputs =
    options.input === undefined ? [new Uint8Array()] : await Promise.all(options.input.map(readNamedFile))

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
    engines: options.engines,
    deadlineMs: options.deadlineMinutes * 60_000,
    minReputation: 0,
  })
  await tellOfOthers(client, id)
  if (options.wait !== true) {
    if (options.json === true) printJson({ campaign: id })
    else printData(id)
    // Standard output stays the id alone, for scripts.
    printNote(
      `sent. Its results, and who is missing for them: askee results ${id.slice(0, 12)}${agentOptionsOf(process.argv)}`,
    )
    return
  }
  printNote(`campaign ${id}: ${count(inputs.length, 'task')}, f = ${options.f}`)
  const { purpose, f, engines } = options
  await showResults(client, { id, purpose, tasks: inputs.length, f, engines }, options)
}

/** Work that nobody waits for any more still takes the volunteers' time, and theirs first. */
async function tellOfOthers(client: ControlClient, id: string): Promise<void> {
  const others = (await client.campaigns()).filter((one) => one.state === 'running' && one.id !== id)
  if (others.length === 0) return
  const options = agentOptionsOf(process.argv)
  printNote(
    `${count(others.length, 'older campaign')} of this node ${others.length === 1 ? 'is' : 'are'} still under way; volunteers who agreed to that work too share their time (askee campaigns${options}, askee campaigns cancel ID${options})`,
  )
}
