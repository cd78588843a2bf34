import type { ControlClient } from '@askee/client'
import { type NodeId, systemClock, systemRandom } from '@askee/core'
import type { Identity } from '@askee/keys'
import { Command } from 'commander'
import { printData, printJson, printNote } from '../../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../../consent/options.ts'
import { controlClient, integer } from '../../options.ts'
import { adoptionLine, assertEmptyFolder, writeNew, writeShareFiles } from './share-files.ts'
import { rootOf, type SharesOptions, sharesOption } from './shares.ts'

interface CreateOptions extends AgentOptions {
  shares: number
  threshold: number
}

/** `askee keys root create`: a root that only the shares hold, and this node under it. */
export function createCommand(): Command {
  return agentOptions(new Command('create'))
    .description('make the root of all your nodes, split it into shares, and put this node under it')
    .argument('<folder>', 'where the shares are written; give each to another keeper and remove it')
    .option('--shares <n>', 'how many shares there are', integer(2, 16), 5)
    .option('--threshold <n>', 'how many of them give the root', integer(2, 16), 3)
    .action(async (folder: string, options: CreateOptions) => {
      process.umask(0o077)
      const client = controlClient(options)
      // Before anything is made: an agent that does not answer, or a folder with other shares in it.
      const { node } = await client.keys()
      await assertEmptyFolder(folder)
      const { createOwnerRoot } = await import('@askee/keys')
      const { shares: total, threshold } = options
      const split = await createOwnerRoot({ total, threshold }, systemRandom)
      const adoption = await client.adoptRoot(split.root.id)
      // The shares first: a root that nobody can gather again must not be kept as this node's.
      const files = await writeShareFiles(folder, split, threshold, adoption)
      await certify(client, split.root, node as NodeId, adoption)
      if (options.json === true) return printJson({ root: split.root.id, node, threshold, files })
      printData(`root ${split.root.id}: any ${threshold} of ${total} shares`)
      for (const file of files) printData(`  ${file}`)
      printNote('Give each share to another keeper, remove the files here, and try the way back once.')
    })
}

/** `askee keys root certify`: another node under the root that the shares give. */
export function certifyCommand(): Command {
  return sharesOption(agentOptions(new Command('certify')))
    .description('put another node under the root; its word goes into a file to be kept with the shares')
    .argument('<file>', 'is made: what the root needs to declare this node void')
    .action(async (file: string, options: AgentOptions & SharesOptions) => {
      const client = controlClient(options)
      const { node } = await client.keys()
      const { root } = await rootOf(options)
      const adoption = await client.adoptRoot(root.id)
      await writeNew(file, `${adoptionLine(adoption)}\n`)
      await certify(client, root, node as NodeId, adoption)
      if (options.json === true) return printJson({ root: root.id, node, file })
      printData(`${node} is under the root ${root.id}`)
      printNote(`Keep a copy of ${file} with every share. It is no secret.`)
    })
}

async function certify(
  client: ControlClient,
  root: Identity,
  node: NodeId,
  adoption: Uint8Array,
): Promise<void> {
  const { certifyNode } = await import('@askee/keys')
  await client.keepRoot({ certificate: certifyNode(root, node, systemClock.now()), adoption })
}
