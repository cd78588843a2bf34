import { createHash } from 'node:crypto'
import type { ConsentGrant } from './grant.ts'
import type { TaskKind } from './token.ts'

const KIND_WORDS: Readonly<Record<TaskKind, string>> = {
  'ml-training': 'training of machine-learning models',
  'data-processing': 'processing of data sets',
  'scientific-compute': 'scientific computation',
}

const CONTAINMENT_WORDS = {
  contained: 'in a sandbox that the operating system closes: no files of yours, no network.',
  process:
    'in a process of its own. On this machine only the JavaScript engine keeps it from your files and the network: allow this only to people you trust.',
} as const

/**
 * The exact text that a person reads before granting. Its SHA-256 goes into the token, so that what was shown can be
 * proven later. The same grant always gives the same text on the same machine.
 * @param containment what holds tasks on this machine now
 */
export function consentText(
  grant: Omit<ConsentGrant, 'textDigest'>,
  containment: 'contained' | 'process',
): string {
  const { resources, tasks } = grant.permissions
  return [
    `Who asks:       node ${grant.audience} (its name is not verified: compare this id with one you trust)`,
    `What for:       ${grant.purpose}`,
    `Kinds of work:  ${tasks.kinds.map((kind) => KIND_WORDS[kind]).join('; ')}`,
    `Until when:     ${hours(grant.lifetime / 3_600_000)} from the grant`,
    `Each task:      at most ${hours(tasks.maxDurationHours)} and ${resources.ramMbMax} MiB of memory`,
    `Processor:      up to ${resources.cpuPercentMax} % (written down, not yet enforced by this version)`,
    `Storage:        up to ${resources.storageGbMax} GB for programs and data (the agent's own limit is enforced, this one not yet)`,
    `Network:        up to ${resources.bandwidthMbpsMax} Mbit/s (written down, not yet enforced by this version)`,
    'What leaves:    results of the tasks, how much work they took, and this consent. No files of yours.',
    'Others learn:   the IP address of this machine, and that it takes part.',
    `Where it runs:  ${CONTAINMENT_WORDS[containment]}`,
  ].join('\n')
}

/** Digest of a text as it stands in a token, hexadecimal. */
export function textDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hours(value: number): string {
  return value >= 48 ? `${Number((value / 24).toFixed(1))} days` : `${Number(value.toFixed(2))} h`
}
