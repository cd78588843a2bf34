import { Command } from 'commander'
import { printData, printJson } from '../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient } from '../options.ts'

/** `askee audit accept`. */
export function acceptCommand(): Command {
  return agentOptions(new Command('accept'))
    .description(
      'takes the state of this machine as it is, although others know a newer one: a new log begins, signed by the owner, and peers are told which it follows',
    )
    .requiredOption('--reason <text>', 'why, in one line; peers read it')
    .action(async (options: AgentOptions & { reason: string }) => {
      const accepted = await controlClient(options).acceptAudit({ reason: options.reason })
      if (options.json === true) {
        printJson(accepted)
        return
      }
      const { audit, suspended } = accepted
      printData(`a new log begins: ${audit.began.log}`)
      if (suspended.length > 0) {
        printData(
          'suspended, for one of them may have been revoked since; askee consent resume takes one up:',
        )
        for (const id of suspended) printData(`  ${id}`)
      }
    })
}
