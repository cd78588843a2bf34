import { NODE_CAPABILITIES, type NodeCapability } from '@askee/client'
import { Command, Option } from 'commander'
import { printData, printJson } from '../../terminal/output.ts'
import { readNamedFile } from '../files.ts'

/** `askee authority verify`: needs no key, only what the authority published. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description("verify a node's certificate by an authority's root and the lists of today")
    .argument('<directory>', 'with root.pem, the certificates of its intermediates and all lists')
    .argument('<certificate>', 'file of the certificate')
    .addOption(new Option('--capability <name>', 'that it must have').choices(NODE_CAPABILITIES))
    .option('--json', 'print one JSON value and nothing else on standard output')
    .action(
      async (directory: string, file: string, options: { capability?: NodeCapability; json?: boolean }) => {
        const { verifyIssued } = await import('@askee/agent/authority')
        const pem = Buffer.from(await readNamedFile(file)).toString('latin1')
        const { node, capabilities, serial, notAfter } = await verifyIssued(
          directory,
          pem,
          options.capability,
        )
        if (options.json === true) return printJson({ node, capabilities, serial, notAfter })
        printData(`valid until ${new Date(notAfter).toISOString()}: ${node} may ${capabilities.join(', ')}`)
      },
    )
}
