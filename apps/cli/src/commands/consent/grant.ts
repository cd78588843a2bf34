import { createInterface } from 'node:readline/promises'
import type { Choices, ConsentView, ControlClient, ReviewView } from '@askee/client'
import { TASK_KINDS, type TaskKind, textDigest } from '@askee/consent'
import { AskeeError, fromUtf8 } from '@askee/core'
import { publicKeyFromNodeId } from '@askee/keys'
import { Command } from 'commander'
import { usageError } from '../../exit.ts'
import { count } from '../../terminal/count.ts'
import { agentOptionsOf } from '../../terminal/hints.ts'
import { printable, printData, printJson, printNote } from '../../terminal/output.ts'
import { readNamedFile } from '../files.ts'
import { controlClient, decimal, integer, listOf, repeated } from '../options.ts'
import { beyondOffer } from './limits.ts'
import { type AgentOptions, agentOptions } from './options.ts'
import { tightLimits } from './tight.ts'

const CATEGORIES = ['task', 'machine', 'personal'] as const
type Category = (typeof CATEGORIES)[number]

interface LimitOptions {
  kinds?: TaskKind[]
  hours?: number
  cpuPercent?: number
  ramMb?: number
  storageGb?: number
  bandwidthMbps?: number
  taskHours?: number
  about?: Category[]
  renewals?: number
}

interface GrantOptions extends AgentOptions, LimitOptions {
  requester?: string
  manifest?: string
  purpose?: string[]
  acceptTerms?: string
}

/** Options that limit what a consent allows; none has a default here. */
function limits(command: Command): Command {
  return command
    .option('--kinds <list>', `kinds of work: ${TASK_KINDS.join(', ')}`, listOf(TASK_KINDS))
    .option('--hours <hours>', 'until when, from the grant', decimal(0.01, 8784))
    .option('--cpu-percent <percent>', 'processor', decimal(1, 100))
    .option('--ram-mb <MiB>', 'memory of a task', integer(1, 1_048_576))
    .option('--storage-gb <GB>', 'storage', decimal(0, 1_048_576))
    .option('--bandwidth-mbps <Mbit/s>', 'network', decimal(0, 1_000_000))
    .option('--task-hours <hours>', 'longest task', decimal(0.001, 48))
    .option('--about <list>', `what the work is about: ${CATEGORIES.join(', ')}`, listOf(CATEGORIES))
    .option('--renewals <count>', 'times that it may be renewed', integer(0, 31))
}

/** `askee consent grant`: shows the terms and, on agreement, grants. */
export function grantCommand(): Command {
  return limits(agentOptions(new Command('grant')))
    .description('show the terms and, when you agree, let a requester use this machine within them')
    .option('--manifest <file>', 'the terms as the requester signed them; other options narrow them')
    .option('--requester <node id>', 'without a manifest: who may send work')
    .option(
      '--purpose <text>',
      'what for, as the requester told you; with a manifest those you agree to, repeatable',
      repeated,
    )
    .option('--accept-terms <hash>', 'agree without being asked: SHA-256 of the terms as printed')
    .action(grant)
}

/** `askee consent renew`: the same again, or less of it. */
export function renewCommand(): Command {
  return limits(agentOptions(new Command('renew')))
    .description('let a consent go on from now, with the same terms or narrower ones; more needs a new grant')
    .argument('<consent>', 'its id, or the beginning of it')
    .action(async (id: string, options: AgentOptions & LimitOptions) => {
      const consent = await controlClient(options).renew(id, choicesOf(options))
      if (options.json === true) printJson(consent)
      else
        printData(
          `renewed until ${date(consent.expires)}; ${count(consent.renewalsLeft, 'renewal is', 'renewals are')} left`,
        )
    })
}

/** `askee consent offer`: a manifest for volunteers. */
export function offerCommand(): Command {
  return limits(agentOptions(new Command('offer')))
    .description('sign what you ask of volunteers; they review it with askee consent grant --manifest')
    .requiredOption('--purpose <text>', 'what for')
    .option('--name <text>', 'what you call yourself')
    .option('--domain <domain>', 'your domain')
    .option('--valid-hours <hours>', 'how long the offer stands', decimal(0.01, 8784), 168)
    .action(
      async (
        options: AgentOptions &
          LimitOptions & { purpose: string; name?: string; domain?: string; validHours: number },
      ) => {
        const { requester: _, ...terms } = ownTerms({ ...options, purpose: [options.purpose], requester: '' })
        const manifest = await controlClient(options).signManifest({
          ...terms,
          ...(options.name === undefined ? {} : { name: options.name }),
          ...(options.domain === undefined ? {} : { domain: options.domain }),
          validForMs: Math.round(options.validHours * 3_600_000),
        })
        if (options.json === true) printJson({ manifest })
        else printData(manifest)
      },
    )
}

async function grant(options: GrantOptions): Promise<void> {
  const client = controlClient(options)
  const review =
    options.manifest === undefined
      ? await ownReview(client, options)
      : await manifestReview(client, options.manifest, options)
  printNote(`${review.text}\n`)
  for (const note of review.notes) printNote(note)
  for (const { field, before, after, effect } of review.differences ?? []) {
    printNote(
      `${effect === 'wider' ? 'MORE' : 'less'} than you allow now: ${field}: ${printable(before)} → ${printable(after)}`,
    )
  }
  printNote(`Hash of these terms: ${review.textDigest}\n`)
  await agree(review.textDigest, options.acceptTerms, review.declined)
  const consent = await review.grant()
  if (options.json === true) printJson(consent)
  else printData(`granted until ${date(consent.expires)} (consent ${consent.id})`)
}

interface Review extends Pick<ReviewView, 'text' | 'textDigest' | 'differences'> {
  /** What a person should know of the terms besides. */
  readonly notes: readonly string[]
  readonly grant: () => Promise<ConsentView>
  /** What becomes of the offer when the person does not agree. */
  readonly declined: string
}

/** Terms in the volunteer's own words. */
async function ownReview(client: ControlClient, options: GrantOptions): Promise<Review> {
  const { requester, purpose, kinds } = options
  if (requester === undefined || purpose === undefined || kinds === undefined) {
    throw usageError('without --manifest give --requester, --purpose and --kinds')
  }
  if (!isNodeId(requester)) {
    throw usageError(
      `--requester: ${requester} is no id of a node (12D3KooW…). The requester finds theirs with: askee status --id`,
    )
  }
  const terms = ownTerms({ ...options, requester, purpose })
  const text = await client.consentText(terms)
  const hash = textDigest(text)
  return {
    text,
    textDigest: hash,
    differences: null,
    notes: tightLimits(terms),
    grant: () => client.grant({ ...terms, textDigest: hash }),
    declined: 'declined; nothing was granted',
  }
}

/** Terms that the requester signed, perhaps narrowed. */
async function manifestReview(client: ControlClient, file: string, options: GrantOptions): Promise<Review> {
  const manifest = fromUtf8(await readNamedFile(file)).trim()
  const { id, limits: offered } = await client.invite(manifest).catch((error: unknown) => {
    throw manifestError(file, error)
  })
  const choices = {
    ...choicesOf(options),
    ...(options.purpose === undefined ? {} : { purposes: options.purpose }),
  }
  const review = await client.review(id, choices)
  const { limits } = await client.consent(id)
  // What is hashed here is what is printed, whatever the agent says.
  return {
    ...review,
    notes: [...beyondOffer(choices, offered), ...tightLimits(limits)],
    textDigest: textDigest(review.text),
    grant: () => client.agree(id, textDigest(review.text)),
    declined: `declined; nothing was granted. The offer stays open and can be granted later; to refuse it for good: askee consent refuse ${id}${agentOptionsOf(process.argv)}`,
  }
}

function isNodeId(text: string): boolean {
  try {
    return publicKeyFromNodeId(text).byteLength > 0
  } catch {
    return false
  }
}

const NOT_AS_SIGNED = ['consent/malformed', 'consent/signature', 'consent/type', 'consent/header']

/** Which file it was, and what to do about one that is not as the requester signed it. */
export function manifestError(file: string, error: unknown): unknown {
  if (!(error instanceof AskeeError) || !NOT_AS_SIGNED.includes(error.code)) return error
  return new AskeeError(
    error.code,
    `${file} is no manifest as a requester signed it (askee consent offer makes them): ${error.message}. Ask them for it again; nothing was granted`,
    error.details,
    { cause: error },
  )
}

function ownTerms(options: LimitOptions & { requester: string; purpose: readonly string[] }) {
  return {
    requester: options.requester,
    purpose: printable(options.purpose.join('; ')),
    kinds: options.kinds ?? ['scientific-compute' as const],
    lifetimeMs: Math.round((options.hours ?? 24) * 3_600_000),
    cpuPercentMax: options.cpuPercent ?? 25,
    ramMbMax: options.ramMb ?? 256,
    storageGbMax: options.storageGb ?? 1,
    bandwidthMbpsMax: options.bandwidthMbps ?? 10,
    maxDurationHours: options.taskHours ?? 1,
    minReputation: 0,
    maxRenewals: options.renewals ?? 3,
    ...(options.about === undefined ? {} : { data: options.about }),
  }
}

function choicesOf(options: LimitOptions): Choices {
  const { kinds, cpuPercent, ramMb, storageGb, bandwidthMbps, taskHours, about, renewals, hours } = options
  const all = {
    kinds,
    cpuPercentMax: cpuPercent,
    ramMbMax: ramMb,
    storageGbMax: storageGb,
    bandwidthMbpsMax: bandwidthMbps,
    maxDurationHours: taskHours,
    data: about,
    maxRenewals: renewals,
    lifetimeMs: hours === undefined ? undefined : Math.round(hours * 3_600_000),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** Only a typed yes or the hash of these very terms is an agreement. */
async function agree(hash: string, accepted: string | undefined, declined: string): Promise<void> {
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
    if (answer.trim().toLowerCase() === 'yes') return
    throw new AskeeError('cli/consent-required', declined)
  } finally {
    terminal.close()
  }
}

function date(at: number): string {
  return new Date(at).toISOString()
}
