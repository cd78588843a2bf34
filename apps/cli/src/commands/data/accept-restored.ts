import { createInterface } from 'node:readline/promises'
import type { AcceptedState, FoundDatabase } from '@askee/agent'
import { AskeeError } from '@askee/core'
import { Command } from 'commander'
import { usageError } from '../../exit.ts'
import { count } from '../../terminal/count.ts'
import { withAgentNamed } from '../../terminal/hints.ts'
import { printData, printJson, printNote } from '../../terminal/output.ts'
import { type DeviceKeyOptions, deviceKeyChoice, deviceKeyOptions } from '../device-key.ts'
import { defaultDataDirectory } from '../options.ts'

interface AcceptOptions extends DeviceKeyOptions {
  data: string
  passphraseFile?: string
  reason: string
  yes?: boolean
  json?: boolean
}

const FINDINGS: Readonly<Record<FoundDatabase['finding'], string>> = {
  older: 'is older than it was last seen here',
  unknown: 'is known to nobody here: nothing says how new it must be',
  missing: 'was here and is gone; a new one is made',
  plain: 'is not encrypted: anybody may have written it; it is encrypted',
  changed: 'is not as it was closed',
}

/** `askee data accept-restored`: the only way to have an agent start on databases that were put back. */
export function acceptRestoredCommand(): Command {
  return deviceKeyOptions(new Command('accept-restored'))
    .description(
      'take the databases as they stand, because you put them there: after a restore from a backup',
    )
    .option('--data <directory>', 'data directory', defaultDataDirectory())
    .option(
      '--passphrase-file <path>',
      'with --device-key passphrase: file whose first line is the passphrase',
    )
    .option('--reason <text>', 'stays in the audit log of this machine', 'restored from a copy')
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON value and nothing else on standard output')
    .action(async (options: AcceptOptions) => {
      process.umask(0o077)
      const { acceptRestored } = await import('@askee/agent')
      const accepted = await acceptRestored({
        dataDirectory: options.data,
        deviceKey: deviceKeyChoice(options, { option: '--passphrase-file', file: options.passphraseFile }),
        reason: options.reason,
        confirm: async (found) => {
          printNote(question(found))
          return options.yes === true || (await isConfirmed())
        },
      })
      if (accepted === null) throw new AskeeError('cli/declined', 'declined; everything is as it was')
      if (options.json === true) printJson(accepted)
      else printData(withAgentNamed(answer(accepted), process.argv))
    })
}

function question(found: readonly FoundDatabase[]): string {
  return [
    ...found.map(({ name, finding }) => `${name} ${FINDINGS[finding]}.`),
    'If you did not put it there yourself, somebody else did: say no, and put your newest copy back.',
    'What happened since the copy was made is forgotten. Consents that it holds are suspended until you resume them,',
    'for you may have revoked one since.',
  ].join('\n')
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw usageError('nobody is here to ask; repeat with --yes')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answered = await terminal.question('Type yes to take it as it stands, anything else to leave it: ')
    return answered.trim().toLowerCase() === 'yes'
  } finally {
    terminal.close()
  }
}

function answer({ databases, suspended }: AcceptedState): string {
  if (databases.length === 0) return 'every database is as it was last seen; nothing had to be accepted'
  return [
    `accepted: ${databases.map(({ name }) => name).join(', ')} (written into the audit log)`,
    suspended.length === 0
      ? 'no consent was live in it'
      : `${count(suspended.length, 'consent is', 'consents are')} suspended: askee consent list shows which, askee consent resume opens one again`,
    'Once the agent runs it may say that its log or its databases were newer before: askee audit accept --reason WHY',
  ].join('\n')
}
