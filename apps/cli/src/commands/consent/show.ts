import { existsSync } from 'node:fs'
import type { ConsentInUseView, ConsentView, HistoryEntryView } from '@askee/client'
import { AskeeError, fromUtf8 } from '@askee/core'
import { Command } from 'commander'
import { usageError } from '../../exit.ts'
import { printable, printData, printJson } from '../../terminal/output.ts'
import { formatTable } from '../../terminal/table.ts'
import { readNamedFile } from '../files.ts'
import { controlClient } from '../options.ts'
import { type AgentOptions, agentOptions } from './options.ts'

/** `askee consent list`. */
export function listCommand(): Command {
  return agentOptions(new Command('list'))
    .description('the consents of this machine')
    .option('--all', 'invitations that nobody answered, too')
    .action(async (options: AgentOptions & { all?: boolean }) => {
      const consents = await controlClient(options).consents(options.all === true ? 'all' : 'given')
      if (options.json === true) {
        printJson(consents)
        return
      }
      printData(consents.length === 0 ? nothingListed(options) : consentTable(consents))
    })
}

function nothingListed({ all }: { all?: boolean }): string {
  return all === true
    ? 'no consents and no invitations: nothing was granted or asked on this machine'
    : 'no consents: nothing was granted on this machine (--all shows invitations too)'
}

/** Consents in a table. */
export function consentTable(
  consents: readonly Pick<ConsentView, 'id' | 'live' | 'phase' | 'expires' | 'requester' | 'purpose'>[],
): string {
  return formatTable(
    [
      { title: 'consent', align: 'left' },
      { title: 'live', align: 'left' },
      { title: 'phase', align: 'left' },
      { title: 'until', align: 'left' },
      { title: 'requester', align: 'left' },
      { title: 'purpose', align: 'left' },
    ],
    consents.map((c) => [
      c.id.slice(0, 8),
      c.live ? 'yes' : 'no',
      c.phase,
      untilCell(c),
      c.requester,
      printable(c.purpose),
    ]),
  )
}

/** Before the grant the time is the offer's own; nothing is allowed until then. */
function untilCell({ phase, expires }: Pick<ConsentView, 'phase' | 'expires'>): string {
  const date = new Date(expires).toISOString()
  if (phase === 'refused') return '—'
  return phase === 'invited' || phase === 'reviewed' ? `${date} (the offer)` : date
}

/** `askee consent show`. */
export function showCommand(): Command {
  return agentOptions(new Command('show'))
    .description('one consent with all its terms')
    .argument('<consent>', 'its id, or the beginning of it')
    .option('--token', 'only its token, for others to check with askee consent verify')
    .action(async (id: string, options: AgentOptions & { token?: boolean }) => {
      if (options.token === true) {
        printData(await controlClient(options).consentToken(id))
        return
      }
      const consent = await controlClient(options).consent(id)
      if (options.json === true) printJson(consent)
      else printData(consentText(consent))
    })
}

/** `askee consent history`. */
export function historyCommand(): Command {
  return agentOptions(new Command('history'))
    .description('every grant, renewal, refusal, use and revocation, with its place in the audit log')
    .argument('[consent]', 'its id, or the beginning of it; default: all')
    .action(async (id: string | undefined, options: AgentOptions) => {
      const entries = await controlClient(options).consentHistory(id)
      if (options.json === true) printJson(entries)
      else printData(historyTable(entries))
    })
}

/** `askee consent verify`. */
export function verifyCommand(): Command {
  return agentOptions(new Command('verify'))
    .description(
      'whether a consent is good: signatures, time, revocations that this node heard of; exit code 1 when it is not',
    )
    .argument('<what>', 'the id of a consent of yours, or a file with a token')
    .action(async (what: string, options: AgentOptions) => {
      const asked = /^[0-9a-f]{4,32}$/.test(what) ? { consent: what } : { token: await tokenIn(what) }
      const verdict = await controlClient(options).verifyConsent(asked)
      if (options.json === true) printJson(verdict)
      else if (verdict.valid) {
        printData(
          `good: ${verdict.grantor} lets ${verdict.audience} send work to ${verdict.subject} until ${new Date(verdict.expires ?? 0).toISOString()}`,
        )
      }
      if (verdict.valid) return
      if (options.json === true) {
        process.exitCode = 1
        return
      }
      const code = verdict.code ?? 'consent/malformed'
      const hint =
        code === 'consent/type'
          ? `. If ${what} is a manifest: askee consent grant --manifest ${what} shows and checks it`
          : ''
      throw new AskeeError(code, `${printable(verdict.detail ?? '')}${hint}`)
    })
}

async function tokenIn(file: string): Promise<string> {
  if (!existsSync(file)) {
    throw usageError(
      `there is no such file: ${file}; and the id of a consent is 4 to 32 characters out of 0-9 and a-f (askee consent list)`,
    )
  }
  return fromUtf8(await readNamedFile(file)).trim()
}

function consentText(c: ConsentInUseView): string {
  const { limits } = c
  return [
    `consent     ${c.id}`,
    `phase       ${c.phase}${c.live ? ', live' : ''}`,
    `requester   ${c.requester}${c.name === null ? '' : ` ("${printable(c.name)}", its own word)`}`,
    `terms by    ${c.author === c.requester ? 'the requester' : 'the owner of this machine'}`,
    `purpose     ${printable(c.purpose)}`,
    `kinds       ${c.kinds.join(', ')}`,
    `about       ${c.data.join(', ')}`,
    `limits      ${limits.cpuPercentMax} % processor, ${limits.ramMbMax} MiB, ${limits.storageGbMax} GB, ${limits.bandwidthMbpsMax} Mbit/s, ${limits.maxDurationHours} h a task`,
    `on disk     ${c.storage === null ? 'nothing' : `${megabytes(c.storage.usedBytes)} of ${megabytes(c.storage.allowedBytes)} MB`}`,
    `until       ${new Date(c.expires).toISOString()}, ${c.renewalsLeft} renewals left`,
    `text        ${c.textDigest ?? 'nothing was agreed to'}`,
    `tokens      ${c.tokens.length === 0 ? 'none' : c.tokens.join(', ')}`,
  ].join('\n')
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes > 0 && bytes < 1e5 ? 4 : 1)
}

function historyTable(entries: readonly HistoryEntryView[]): string {
  return formatTable(
    [
      { title: 'when', align: 'left' },
      { title: 'consent', align: 'left' },
      { title: 'act', align: 'left' },
      { title: 'log', align: 'right' },
      { title: 'what', align: 'left' },
    ],
    entries.map(({ at, consent, act, outcome, receipt, content }) => [
      new Date(at).toISOString(),
      consent.slice(0, 8),
      outcome === 'done' ? act : `${act} (${outcome})`,
      receipt === null ? '—' : String(receipt.index),
      printable(
        Object.entries(content)
          .filter(([key]) => key !== 'manifest')
          .map(([key, value]) => `${key} ${value}`)
          .join(', '),
      ),
    ]),
  )
}
