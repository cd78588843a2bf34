import { createInterface } from 'node:readline/promises'
import { KEY_CHAIN_USES, type KeyChainUse } from '@askee/client'
import { AskeeError } from '@askee/core'
import { Argument, Command } from 'commander'
import { usageError } from '../../exit.ts'
import { printNote } from '../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient } from '../options.ts'
import { printKeys } from './list.ts'

function useArgument(): Argument {
  return new Argument('[use]', 'one use of keys instead of all').choices([...KEY_CHAIN_USES])
}

/** `askee keys rotate`: new keys before their time. */
export function rotateCommand(): Command {
  return agentOptions(new Command('rotate'))
    .description('new keys now; the old ones still open what is under way for 24 hours')
    .addArgument(useArgument())
    .action(async (use: KeyChainUse | undefined, options: AgentOptions) => {
      const view = await controlClient(options).rotateKeys(use === undefined ? {} : { uses: [use] })
      printKeys(view, options)
    })
}

/** `askee keys emergency`: the keys are void from now on, everywhere. */
export function emergencyCommand(): Command {
  return agentOptions(new Command('emergency'))
    .description('a key may be in other hands: void the keys at once, tell the mesh, make new ones')
    .addArgument(useArgument())
    .requiredOption('--reason <text>', 'what happened; stays in the audit log of this machine')
    .option('--yes', 'do not ask')
    .action(
      async (use: KeyChainUse | undefined, options: AgentOptions & { reason: string; yes?: boolean }) => {
        if (options.yes !== true) await confirm(use)
        const uses = use === undefined ? {} : { uses: [use] }
        printKeys(await controlClient(options).keyEmergency({ ...uses, reason: options.reason }), options)
      },
    )
}

async function confirm(use: KeyChainUse | undefined): Promise<void> {
  printNote(
    `Every key for ${use ?? KEY_CHAIN_USES.join(', ')} is void at once. What was sealed to them and not yet opened is lost. This cannot be undone.`,
  )
  if (!process.stdin.isTTY) throw usageError('nobody is here to ask; repeat with --yes')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question('Type yes to void them, anything else to keep them: ')
    if (answer.trim().toLowerCase() !== 'yes') {
      throw new AskeeError('cli/declined', 'declined; every key is as it was')
    }
  } finally {
    terminal.close()
  }
}
