import { createInterface } from 'node:readline/promises'
import { TASK_KINDS, type TaskKind, textDigest } from '@askee/consent'
import { AskeeError } from '@askee/core'
import { Command } from 'commander'
import { printable, printData, printJson, printNote } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { controlClient, decimal, integer, listOf } from './options.ts'

interface GrantOptions {
  data?: string
  control?: string
  requester: string
  purpose: string
  kinds: TaskKind[]
  hours: number
  cpuPercent: number
  ramMb: number
  storageGb: number
  bandwidthMbps: number
  taskHours: number
  acceptTerms?: string
  json?: boolean
}

/** `askee consent`: what this machine's owner allows. */
export function consentCommand(): Command {
  const consent = new Command('consent').description('grant and list consents')
  consent
    .command('grant')
    .description('show the terms and, when you agree, let a requester use this machine within them')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .requiredOption('--requester <node id>', 'who may send work')
    .requiredOption('--purpose <text>', 'what for, as the requester told you')
    .requiredOption('--kinds <list>', `kinds of work: ${TASK_KINDS.join(', ')}`, listOf(TASK_KINDS))
    .option('--hours <hours>', 'until when', decimal(0.01, 8784), 24)
    .option('--cpu-percent <percent>', 'processor', decimal(1, 100), 25)
    .option('--ram-mb <MiB>', 'memory of a task', integer(1, 1_048_576), 256)
    .option('--storage-gb <GB>', 'storage', decimal(0, 1_048_576), 1)
    .option('--bandwidth-mbps <Mbit/s>', 'network', decimal(0, 1_000_000), 10)
    .option('--task-hours <hours>', 'longest task', decimal(0.001, 48), 1)
    .option('--accept-terms <hash>', 'agree without being asked: SHA-256 of the terms as printed')
    .option('--json', 'print one object')
    .action(grant)
  consent
    .command('list')
    .description('the consents of this machine')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one array')
    .action(async (options: { data?: string; control?: string; json?: boolean }) => {
      const consents = await controlClient(options).consents()
      if (options.json === true) {
        printJson(consents)
        return
      }
      printData(
        formatTable(
          [
            { title: 'consent', align: 'left' },
            { title: 'live', align: 'left' },
            { title: 'until', align: 'left' },
            { title: 'requester', align: 'left' },
            { title: 'purpose', align: 'left' },
          ],
          consents.map((c) => [
            c.id.slice(0, 8),
            c.live ? 'yes' : 'no',
            new Date(c.expires).toISOString(),
            c.requester,
            printable(c.purpose),
          ]),
        ),
      )
    })
  return consent
}

async function grant(options: GrantOptions): Promise<void> {
  const client = controlClient(options)
  const terms = {
    requester: options.requester,
    purpose: printable(options.purpose),
    kinds: options.kinds,
    lifetimeMs: Math.round(options.hours * 3_600_000),
    cpuPercentMax: options.cpuPercent,
    ramMbMax: options.ramMb,
    storageGbMax: options.storageGb,
    bandwidthMbpsMax: options.bandwidthMbps,
    maxDurationHours: options.taskHours,
    minReputation: 0,
  }
  const text = await client.consentText(terms)
  const hash = textDigest(text)
  printNote(`${text}\n\nHash of these terms: ${hash}\n`)
  await agree(hash, options.acceptTerms)
  const consent = await client.grant({ ...terms, textDigest: hash })
  if (options.json === true) printJson(consent)
  else printData(`granted until ${new Date(consent.expires).toISOString()} (consent ${consent.id})`)
}

/** Only a typed yes or the hash of these very terms is an agreement. */
async function agree(hash: string, accepted: string | undefined): Promise<void> {
  if (accepted === hash) return
  if (accepted !== undefined) {
    throw new AskeeError(
      'cli/consent-required',
      `--accept-terms names other terms: expected ${hash}, received ${accepted}`,
    )
  }
  if (!process.stdin.isTTY) {
    throw new AskeeError(
      'cli/consent-required',
      `nobody is here to ask. Read the terms, then repeat with --accept-terms ${hash}`,
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question('Do you grant this? Type yes to grant, anything else to decline: ')
    if (answer.trim().toLowerCase() !== 'yes')
      throw new AskeeError('cli/consent-required', 'declined; nothing was granted')
  } finally {
    terminal.close()
  }
}
