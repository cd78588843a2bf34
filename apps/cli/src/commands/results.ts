import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CampaignView, ControlClient } from '@askee/client'
import { Command } from 'commander'
import { EXIT } from '../exit.ts'
import { count } from '../terminal/count.ts'
import { printable, printData, printJson } from '../terminal/output.ts'
import { outputCell } from '../terminal/output-cell.ts'
import { formatTable } from '../terminal/table.ts'
import { controlClient } from './options.ts'
import { type Awaited, waitTelling } from './waiting.ts'

export interface ResultOptions {
  readonly data?: string
  readonly control?: string
  readonly json?: boolean
  readonly outputDir?: string
}

/** `askee results`: waits for a campaign, also one of a command that is long gone. */
export function resultsCommand(): Command {
  return new Command('results')
    .argument('<campaign>', 'its id as submit printed it, or the beginning of it')
    .description('wait for a campaign and show its results')
    .option('--output-dir <directory>', 'write each accepted output to a file, named by its number')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one object')
    .action(async (given: string, options: ResultOptions) => {
      const client = controlClient(options)
      const { id, purpose, tasks, f, engines } = await client.campaign(given)
      await showResults(client, { id, purpose, tasks: tasks.length, f, engines }, options)
    })
}

/** Waits for a campaign's end, telling how it goes, and prints its results. */
export async function showResults(
  client: ControlClient,
  campaign: Awaited,
  options: ResultOptions,
): Promise<void> {
  const view = await waitTelling(client, campaign, agentNamed(options))
  if (options.outputDir !== undefined) await writeOutputs(options.outputDir, view)
  if (options.json === true) printJson(withHexOutputs(view))
  else printTable(view)
  if (view.tasks.some((task) => task.state !== 'accepted')) process.exitCode = EXIT.failure
}

/** The options that named the agent, for a command that is to be typed next. */
function agentNamed({ data, control }: ResultOptions): string {
  return `${data === undefined ? '' : ` --data ${data}`}${control === undefined ? '' : ` --control ${control}`}`
}

async function writeOutputs(directory: string, view: CampaignView): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const task of view.tasks) {
    if (task.result === null) continue
    await writeFile(join(directory, `${task.index}.out`), Buffer.from(task.result.output, 'base64'))
  }
}

/** A campaign as `--json` prints it: outputs in hexadecimal. */
export function withHexOutputs(view: CampaignView): object {
  const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex')
  return {
    ...view,
    tasks: view.tasks.map((task) => ({
      ...task,
      result: task.result === null ? null : { ...task.result, output: hex(task.result.output) },
    })),
  }
}

function printTable(view: CampaignView): void {
  const columns = [
    { title: 'task', align: 'right' },
    { title: 'state', align: 'left' },
    { title: 'trap', align: 'left' },
    { title: 'fuel', align: 'right' },
    { title: 'replicas', align: 'right' },
    { title: 'votes by engine', align: 'left' },
    { title: 'output', align: 'left' },
  ] as const
  const rows = view.tasks.map((task) => [
    String(task.index),
    task.state,
    task.result?.trap ?? '',
    task.result?.fuel ?? '',
    String(task.replicas),
    Object.entries(task.engines)
      .map(([engine, votes]) => `${engine} ${votes}`)
      .join(', '),
    task.result === null ? '' : outputCell(Buffer.from(task.result.output, 'base64')),
  ])
  if (view.cancelled !== null) printData(`cancelled: ${printable(view.cancelled)}\n`)
  printData(formatTable(columns, rows))
  for (const line of reasonLines(view.tasks)) printData(line)
  for (const { node, offence, task } of view.accused) printData(`accused: ${node} (${offence}, ${task})`)
}

/** Why tasks have no result: each reason once, however many tasks it stopped. */
export function reasonLines(
  tasks: readonly Pick<CampaignView['tasks'][number], 'index' | 'reason'>[],
): string[] {
  const byReason = Map.groupBy(
    tasks.filter(({ reason }) => reason !== null),
    ({ reason }) => reason as string,
  )
  return [...byReason].map(([reason, stopped]) => {
    const indices = stopped.map(({ index }) => index)
    const named = indices.length > 8 ? `${indices.slice(0, 8).join(', ')} …` : indices.join(', ')
    return `\n${count(indices.length, 'task')} undecided (${named}): ${printable(reason)}`
  })
}
