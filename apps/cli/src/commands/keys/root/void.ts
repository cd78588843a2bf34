import { AskeeError, type NodeId, systemClock } from '@askee/core'
import type { VoidReason } from '@askee/keys'
import { Command, Option } from 'commander'
import { printData, printJson, printNote } from '../../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../../consent/options.ts'
import { readNamedFile } from '../../files.ts'
import { controlClient, repeated } from '../../options.ts'
import { readAdoptions, writeNew } from './share-files.ts'
import { rootOf, type SharesOptions, sharesOption } from './shares.ts'

interface VoidOptions extends SharesOptions {
  node?: string
  adoption: string[]
  reason: VoidReason
  json?: boolean
}

/** `askee keys root void`: needs no agent, so that it can be done where no network is. */
export function voidCommand(): Command {
  return sharesOption(new Command('void'))
    .description('sign that a node is void, for ever, as when its machine is lost; needs no agent')
    .argument('<file>', 'is made: the document, for askee keys root publish')
    .option('--node <id>', 'which node, where the root has several')
    .option(
      '--adoption <file>',
      'written by certify; of the first node it stands in the shares',
      repeated,
      [],
    )
    .addOption(
      new Option('--reason <reason>', 'why').choices(['lost', 'compromised', 'ended']).default('lost'),
    )
    .option('--json', 'print one JSON value and nothing else on standard output')
    .action(async (file: string, options: VoidOptions) => {
      const { signIdentityVoid } = await import('@askee/keys')
      const { root, adoptions } = await rootOf(options)
      const named = (await Promise.all(options.adoption.map(readAdoptions))).flat()
      const { node, adoption } = await choose(root.id, [...adoptions, ...named], options.node)
      const { reason } = options
      await writeNew(file, signIdentityVoid(root, adoption, { at: systemClock.now(), reason }))
      if (options.json === true) return printJson({ node, root: root.id, reason, file })
      printData(`${node} is declared void in ${file}`)
      printNote(
        'Nobody knows it yet: askee keys root publish tells the mesh, from any node. It cannot be undone.',
      )
    })
}

/** The adoption of the node that is meant; the only one where none is named. */
async function choose(
  root: NodeId,
  adoptions: readonly Uint8Array[],
  node: string | undefined,
): Promise<{ node: NodeId; adoption: Uint8Array }> {
  const { verifyAdoption } = await import('@askee/keys')
  const found = new Map<NodeId, Uint8Array>()
  for (const adoption of adoptions) {
    const adopted = verifyAdoption(adoption)
    if (adopted.root === root) found.set(adopted.node, adoption)
  }
  const meant = [...found].filter(([id]) => node === undefined || id === node)
  const [only] = meant
  if (only !== undefined && meant.length === 1) return { node: only[0], adoption: only[1] }
  const known = [...found.keys()].join(', ')
  if (meant.length > 1) throw new AskeeError('cli/usage', `name one with --node: ${known}`)
  throw new AskeeError(
    'keys/not-adopted',
    `no word of ${node ?? 'any node'} that the root ${root} may declare it void; there is ${known === '' ? 'none' : `that of ${known}`}. Name the file that certify wrote with --adoption.`,
  )
}

/** `askee keys root publish`: through any node; its agent goes on telling. */
export function publishCommand(): Command {
  return agentOptions(new Command('publish'))
    .description('tell the mesh that a node is void; this agent goes on telling')
    .argument('<file>', 'written by askee keys root void')
    .action(async (file: string, options: AgentOptions) => {
      const found = await controlClient(options).publishVoid(await readNamedFile(file))
      if (options.json === true) return printJson(found)
      printData(`${found.node} is void (${found.reason}); the mesh is told`)
    })
}
