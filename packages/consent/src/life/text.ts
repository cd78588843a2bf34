import { createHash } from 'node:crypto'
import type { ConsentTerms, DataCategory, TaskKind } from '../terms.ts'
import type { ConsentManifest } from './manifest.ts'

const KIND_WORDS: Readonly<Record<TaskKind, string>> = {
  'ml-training': 'training of machine-learning models',
  'data-processing': 'processing of data sets',
  'scientific-compute': 'scientific computation',
}

const DATA_WORDS: Readonly<Record<DataCategory, string>> = {
  task: 'programs, inputs and results about nobody',
  machine: 'what this node says of itself (engine, slots, memory)',
  personal: 'DATA ABOUT PERSONS',
}

const CONTAINMENT_WORDS = {
  contained: 'in a sandbox that the operating system closes: no files of yours, no network.',
  process:
    'in a process of its own. On this machine only the JavaScript engine keeps it from your files and the network: allow this only to people you trust.',
} as const

const HOUR_MS = 3_600_000
const UNITS = [
  ['days', 24 * HOUR_MS],
  ['h', HOUR_MS],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

/** Whether something on a machine holds each task to the share of a processor that a consent allows. */
export type ProcessorHold = 'held' | 'not-held'

const PROCESSOR_WORDS: Readonly<Record<ProcessorHold, string>> = {
  held: ': each task is held to that share of one processor, and gives way to your programs',
  'not-held':
    ' (written down; nothing on this machine holds a task to it: tasks take what your programs leave of the processors)',
}

/**
 * The exact text that a person reads before granting. Its SHA-256 goes into the token, so that what was shown can be
 * proven later. The same manifest and terms always give the same text on the same machine.
 * @param terms what would be granted: the manifest's, perhaps narrowed
 * @param containment what holds tasks on this machine now
 * @param processor whether they are held to their share of a processor
 */
export function consentText(
  manifest: Pick<ConsentManifest, 'requester' | 'author' | 'name' | 'domain'>,
  terms: ConsentTerms,
  containment: 'contained' | 'process',
  processor: ProcessorHold,
): string {
  const { resources, tasks, monitoring } = terms.permissions
  const lifetime = span(terms.lifetime)
  return [
    `Who asks:       node ${manifest.requester}`,
    `                ${whoElse(manifest)}`,
    `What for:       ${terms.purposes.map(oneLine).join('; ')}`,
    "                (the requester's word; not checked. Work that names another purpose is refused)",
    `Kinds of work:  ${tasks.kinds.map((kind) => KIND_WORDS[kind]).join('; ')}`,
    `About what:     ${terms.data.length === 0 ? 'nothing is named' : terms.data.map((item) => DATA_WORDS[item]).join('; ')}`,
    `Until when:     ${lifetime} from the grant${terms.maxRenewals === 0 ? '' : `; you can renew it ${terms.maxRenewals === 1 ? 'once,' : `${terms.maxRenewals} times, each time`} for ${lifetime} at most`}`,
    `Work from:      ${tasks.minReputation === 0 ? 'anybody whom this consent names, known here or not' : `whom this consent names, while its conduct known here is at least ${tasks.minReputation} of 1`}`,
    `Each task:      at most ${span(tasks.maxDurationHours * HOUR_MS)} and ${resources.ramMbMax} MiB of memory`,
    `Processor:      up to ${resources.cpuPercentMax} %${PROCESSOR_WORDS[processor]}`,
    `Storage:        up to ${resources.storageGbMax} GB on disk for its programs, inputs and results and what is compiled of them; more is refused`,
    "                (records of what was done, and the agent's own limit for all consents together, come beside it)",
    `Network:        up to ${resources.bandwidthMbpsMax} Mbit/s to and from that node together, in bursts of 1.25 MiB or a tenth of a second; more waits`,
    '                (what keeps the mesh together, connections, keys, news and records of others, comes beside it)',
    `While you work: ${monitoring.userActivityYield ? 'tasks give way to you' : 'TASKS DO NOT GIVE WAY TO YOU'}; the load of the machine is ${monitoring.resourceMonitoring ? '' : 'not '}looked at; what is done is ${monitoring.auditLogging ? '' : 'NOT '}written down`,
    'What leaves:    results of the tasks, how much work they took, and this consent. No files of yours.',
    'Others learn:   the IP address of this machine, and that it takes part.',
    `Where it runs:  ${CONTAINMENT_WORDS[containment]}`,
    'Ending it:      at any time, with one command: askee consent revoke. Running work dies at once and its data is erased.',
  ].join('\n')
}

/** Digest of a text as it stands in a token, hexadecimal. */
export function textDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function whoElse({ author, requester, name, domain }: Parameters<typeof consentText>[0]): string {
  if (author !== requester) {
    return '(these terms were written on this machine, not signed by the requester: compare its id with one you trust)'
  }
  const called = name === null ? 'gives no name' : `calls itself "${oneLine(name)}"`
  const home = domain === null ? 'names no domain' : `says that ${domain} is its own`
  return `(signed these terms with that key; ${called} and ${home}, which this text does not verify)`
}

/** A requester's words must not be able to draw lines of this text. */
function oneLine(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '�')
}

/** A length of time to the millisecond: what is rounded is not what is granted. */
function span(milliseconds: number): string {
  const parts: string[] = []
  let rest = Math.round(milliseconds)
  for (const [unit, length] of UNITS) {
    // A day or two are told in hours.
    const count = unit === 'days' && rest < 2 * length ? 0 : Math.floor(rest / length)
    if (count > 0) parts.push(`${count} ${unit}`)
    rest -= count * length
  }
  return parts.join(' ') || '0 s'
}
