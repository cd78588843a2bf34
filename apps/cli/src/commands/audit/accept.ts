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
      const standing = await controlClient(options).acceptAudit({ reason: options.reason })
      if (options.json === true) {
        printJson(standing)
        return
      }
      printData(`a new log begins: ${standing.began.log}`)
      // An old copy does not know what was revoked since.
      printData(
        'consents are as this copy has them: look at them (askee consent list) and revoke what is over',
      )
    })
}
