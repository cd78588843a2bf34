import type { ControlClient } from '@askee/client'
import { type NodeId, systemClock, systemRandom } from '@askee/core'
import type { Identity } from '@askee/keys'
import { Command } from 'commander'
import { usageError } from '../../../exit.ts'
import { printData, printJson, printNote } from '../../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../../consent/options.ts'
import { controlClient, integer } from '../../options.ts'
import { adoptionLine, assertEmptyFolder, shareTexts, writeNew, writeShareFiles } from './share-files.ts'
import { rootOf, type SharesOptions, sharesOption } from './shares.ts'

interface CreateOptions extends AgentOptions {
  shares: number
  threshold: number
  print?: true
}

/** `askee keys root create`: a root that only the shares hold, and this node under it. */
export function createCommand(): Command {
  return agentOptions(new Command('create'))
    .description('make the root of all your nodes, split it into shares, and put this node under it')
    .argument('[folder]', 'where the shares are written; give each to another keeper and remove it')
    .option('--print', 'instead: print the shares, to be written on paper; they come on no disk')
    .option('--shares <n>', 'how many shares there are', integer(2, 16), 5)
    .option('--threshold <n>', 'how many of them give the root', integer(2, 16), 3)
    .action(async (folder: string | undefined, options: CreateOptions) => {
      process.umask(0o077)
      if ((folder === undefined) === (options.print === undefined)) {
        throw usageError('name a folder for the shares, or give --print')
      }
      const client = controlClient(options)
      // Before anything is made: an agent that does not answer, or a folder with other shares in it.
      const { node } = await client.keys()
      if (folder !== undefined) await assertEmptyFolder(folder)
      const { createOwnerRoot } = await import('@askee/keys')
      const { shares: total, threshold } = options
      const split = await createOwnerRoot({ total, threshold }, systemRandom)
      const adoption = await client.adoptRoot(split.root.id)
      // The shares first: a root that nobody can gather again must not be kept as this node's.
      const texts = shareTexts(split, threshold, adoption)
      const files = folder === undefined ? [] : await writeShareFiles(folder, texts)
      await certify(client, split.root, node as NodeId, adoption)
      const root = split.root.id
      if (options.json === true) {
        return printJson({ root, node, threshold, ...(folder === undefined ? { shares: texts } : { files }) })
      }
      printData(`root ${root}: any ${threshold} of ${total} shares\n`)
      for (const line of folder === undefined ? texts : files) printData(line)
      printNote('Give each share to another keeper, leave none here, and try the way back once.')
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
