import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CampaignView, ControlClient } from '@askee/client'
import { Command } from 'commander'
import { EXIT } from '../exit.ts'
import { isFancy, printable, printData, printJson, printNote } from '../terminal/output.ts'
import { outputCell } from '../terminal/output-cell.ts'
import { formatTable } from '../terminal/table.ts'
import { controlClient } from './options.ts'

/** Without any offer for this long, the person is told why nothing happens. */
const LONELY_MS = 10_000

export interface ResultOptions {
  readonly json?: boolean
  readonly outputDir?: string
}

/** `askee campaigns` and `askee results`: what was asked before, also by a command that is long gone. */
export function campaignsCommand(): Command {
  return new Command('campaigns')
    .description('the campaigns of this agent')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one array')
    .action(async (options: { data?: string; control?: string; json?: boolean }) => {
      const campaigns = await controlClient(options).campaigns()
      if (options.json === true) {
        printJson(campaigns)
        return
      }
      const columns = ['campaign', 'state', 'accepted', 'undecided', 'purpose'].map((title) => ({
        title,
        align: 'left' as const,
      }))
      const rows = campaigns.map((c) => [
        c.id,
        c.state,
        `${c.accepted} of ${c.tasks}`,
        String(c.undecided),
        printable(c.purpose),
      ])
      printData(formatTable(columns, rows))
    })
}

export function resultsCommand(): Command {
  return new Command('results')
    .argument('<campaign>', 'id as submit printed it')
    .description('wait for a campaign and show its results')
    .option('--output-dir <directory>', 'write each accepted output to a file, named by its number')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one object')
    .action(async (id: string, options: ResultOptions & { data?: string; control?: string }) => {
      const client = controlClient(options)
      const { tasks, f } = await client.campaign(id)
      await showResults(client, { id, tasks: tasks.length, f }, options)
    })
}

/** Waits for a campaign's end, telling how it goes, and prints its results. */
export async function showResults(
  client: ControlClient,
  campaign: { readonly id: string; readonly tasks: number; readonly f: number },
  options: ResultOptions,
): Promise<void> {
  const view = await waitTelling(client, campaign)
  if (options.outputDir !== undefined) await writeOutputs(options.outputDir, view)
  if (options.json === true) printJson(withHexOutputs(view))
  else printTable(view)
  if (view.tasks.some((task) => task.state !== 'accepted')) process.exitCode = EXIT.failure
}

async function waitTelling(
  client: ControlClient,
  { id, tasks, f }: { id: string; tasks: number; f: number },
): Promise<CampaignView> {
  const over = new AbortController()
  const fancy = isFancy(process.stderr)
  const offers = new Set<string>()
  let decided = 0
  const watch = async (): Promise<void> => {
    for await (const event of client.events(over.signal)) {
      if (event.campaign !== id) continue
      if (event.type === 'offer') offers.add(String(event.node))
      if (event.type === 'accepted' || event.type === 'undecidable') decided++
      if (fancy) process.stderr.write(`\r${offers.size} nodes offered, ${decided} of ${tasks} decided \x1b[K`)
    }
  }
  void watch().catch(() => undefined)
  const lonely = setTimeout(() => {
    if (decided > 0 || offers.size >= 2 * f + 1) return
    printNote(
      `${fancy ? '\n' : ''}so far ${offers.size} nodes have offered to help; a full vote takes ${2 * f + 1}, and ${f + 1} equal results decide. ` +
        'Nodes offer when their owners have granted a consent that covers this work. This goes on waiting; Ctrl-C leaves the campaign running (see: askee results).',
    )
  }, LONELY_MS)
  try {
    return await client.wait(id)
  } finally {
    clearTimeout(lonely)
    over.abort()
    if (fancy) process.stderr.write('\r\x1b[K')
  }
}

async function writeOutputs(directory: string, view: CampaignView): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const task of view.tasks) {
    if (task.result === null) continue
    await writeFile(join(directory, `${task.index}.out`), Buffer.from(task.result.output, 'base64'))
  }
}

function withHexOutputs(view: CampaignView): object {
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
    task.result === null ? (task.reason ?? '') : outputCell(Buffer.from(task.result.output, 'base64')),
  ])
  printData(formatTable(columns, rows))
  for (const { node, offence, task } of view.accused) printData(`accused: ${node} (${offence}, ${task})`)
}
