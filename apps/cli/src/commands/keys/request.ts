import { writeFile } from 'node:fs/promises'
import { NODE_CAPABILITIES, type NodeCapability } from '@askee/client'
import { Command } from 'commander'
import { printData, printJson, printNote } from '../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient, integer, listOf } from '../options.ts'

/** `askee keys request`: asks a certificate authority in this node's name. */
export function requestCommand(): Command {
  return agentOptions(new Command('request'))
    .description('write a signed request for a certificate of this node, good for five minutes')
    .argument('<file>', 'to write, for askee authority issue')
    .requiredOption(
      '--capabilities <names>',
      `what it shall allow: ${NODE_CAPABILITIES.join(', ')}`,
      listOf(NODE_CAPABILITIES),
    )
    .option('--hours <n>', 'how long it shall be valid', integer(24, 72), 24)
    .action(
      async (file: string, options: AgentOptions & { capabilities: NodeCapability[]; hours: number }) => {
        const { capabilities, hours } = options
        await writeFile(file, await controlClient(options).certificateRequest({ capabilities, hours }))
        if (options.json === true) return printJson({ file, capabilities, hours })
        printData(`request written to ${file}`)
        printNote('Take it to the authority within five minutes: askee authority issue')
      },
    )
}
