import { AskeeError, errorText } from '@askee/core'
import { Command, CommanderError } from 'commander'
import { understood, wantsJson } from './arguments.ts'
import { agentCommand } from './commands/agent.ts'
import { auditCommand } from './commands/audit/index.ts'
import { authorityCommand } from './commands/authority/index.ts'
import { campaignsCommand } from './commands/campaigns.ts'
import { consentCommand } from './commands/consent/index.ts'
import { dataCommand } from './commands/data/index.ts'
import { doctorCommand } from './commands/doctor.ts'
import { keysCommand } from './commands/keys/index.ts'
import { resultsCommand } from './commands/results.ts'
import { simulateCommand } from './commands/simulate.ts'
import { statusCommand } from './commands/status.ts'
import { submitCommand } from './commands/submit.ts'
import { wasmCommand } from './commands/wasm.ts'
import { EXIT, exitCodeOf } from './exit.ts'
import { withAgentNamed } from './terminal/hints.ts'
import { printable, printJson, printNote } from './terminal/output.ts'

/** The `askee` command. Heavy packages are loaded by the command that needs them. */
function askee(): Command {
  const program = new Command('askee')
    .description('volunteer computing that asks first')
    .version('0.1.0')
    .showHelpAfterError('(askee help shows how it is used)')
  for (const command of [
    agentCommand(),
    submitCommand(),
    campaignsCommand(),
    resultsCommand(),
    simulateCommand(),
    statusCommand(),
    doctorCommand(),
    consentCommand(),
    dataCommand(),
    keysCommand(),
    authorityCommand(),
    auditCommand(),
    wasmCommand(),
  ]) {
    program.addCommand(command)
  }
  const exitInsteadOfThrow = (command: Command): void => {
    command.exitOverride()
    command.commands.forEach(exitInsteadOfThrow)
  }
  exitInsteadOfThrow(program)
  return program
}

async function main(argv: string[]): Promise<void> {
  try {
    await askee().parseAsync(understood(argv))
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
      // Commander has told people already; a program reads one JSON value, also of a call that was wrong.
      if (error.exitCode !== 0 && wantsJson(argv))
        printJson({ error: { code: 'cli/usage', message: usageText(error) } })
      return
    }
    const named = (text: string): string => withAgentNamed(text, argv)
    printNote(`askee: ${printable(named(errorText(error)))}`)
    if (wantsJson(argv))
      printJson({ error: { code: codeOf(error), message: named((error as Error).message) } })
    process.exitCode = exitCodeOf(error)
  }
}

function usageText({ code, message }: CommanderError): string {
  return code === 'commander.help' ? 'a command is missing' : message.replace(/^error: /, '')
}

function codeOf(error: unknown): string {
  return error instanceof AskeeError ? error.code : 'cli/internal'
}

await main(process.argv)
