import type { ParanoidView } from '@askee/client'
import { Argument, Command } from 'commander'
import { usageError } from '../../exit.ts'
import { printData, printJson } from '../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient } from '../options.ts'

const SAYS: Readonly<Record<ParanoidView['mode'], string>> = {
  normal: 'normal: every conversation goes on',
  paranoid: 'paranoid: only critical conversations go on, in two layers; this node asks for and does no work',
}

/** `askee keys paranoid`: two layers and critical conversations only. */
export function paranoidCommand(): Command {
  return agentOptions(new Command('paranoid'))
    .description(
      'under attack: void all keys, stop every conversation that is not critical, seal the rest twice',
    )
    .addArgument(new Argument('[action]', 'without it: which mode it is').choices(['enter', 'leave']))
    .option('--reason <text>', 'what happened')
    .action(async (action: 'enter' | 'leave' | undefined, options: AgentOptions & { reason?: string }) => {
      const client = controlClient(options)
      if (action === undefined) return print(await client.mode(), options)
      const { reason } = options
      if (reason === undefined) throw usageError(`say why: askee keys paranoid ${action} --reason <text>`)
      print(await client.paranoid({ action, reason }), options)
    })
}

function print(view: ParanoidView, options: AgentOptions): void {
  if (options.json === true) printJson(view)
  else printData(SAYS[view.mode])
}
