import { stat } from 'node:fs/promises'
import { AskeeError } from '@askee/core'
import { Command } from 'commander'
import { printData, printJson, printNote } from '../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { type DeviceKeyOptions, deviceKeyChoice, deviceKeyOptions } from '../device-key.ts'
import { readNamedFile } from '../files.ts'
import { controlClient, defaultDataDirectory } from '../options.ts'
import { writeNew } from './root/share-files.ts'

/** Larger than any backup: a file of another kind is not read whole. */
const MAX_BACKUP_BYTES = 1024 * 1024

const PASSPHRASE_OPTION = [
  '--passphrase-file <path>',
  'file of mode 600 whose first line is the passphrase of the backup',
] as const

/** `askee keys backup`: what lasts of a node's secrets, behind a passphrase. */
export function backupCommand(): Command {
  return agentOptions(new Command('backup'))
    .description('write identities and the keys of the databases into a file that only a passphrase opens')
    .argument('<file>', 'is made; one that exists is not overwritten')
    .requiredOption(...PASSPHRASE_OPTION)
    .action(async (file: string, options: AgentOptions & { passphraseFile: string }) => {
      const { readSecretFile } = await import('@askee/agent')
      const passphrase = await readSecretFile(options.passphraseFile)
      const client = controlClient(options)
      const bytes = await client.backUpKeys(passphrase)
      await writeNew(file, bytes)
      const { node } = await client.keys()
      if (options.json === true) return printJson({ file, node, bytes: bytes.byteLength })
      printData(`keys of ${node} written to ${file}`)
      printNote(
        'Keep it, and its passphrase, where the loss of this machine does not reach. It holds no data.',
      )
    })
}

interface RestoreOptions extends DeviceKeyOptions {
  data: string
  passphraseFile: string
  devicePassphraseFile?: string
  json?: boolean
}

/** `askee keys restore`: the keys of a lost machine, on a new one. No agent runs meanwhile. */
export function restoreCommand(): Command {
  return deviceKeyOptions(new Command('restore'))
    .description('make the keys of a data directory from a backup; overwrites none')
    .argument('<file>', 'written by askee keys backup')
    .requiredOption(...PASSPHRASE_OPTION)
    .option('--data <directory>', 'data directory without keys', defaultDataDirectory())
    .option(
      '--device-passphrase-file <path>',
      'with --device-key passphrase: file whose first line is the passphrase of the device key',
    )
    .option('--json', 'print one JSON value and nothing else on standard output')
    .action(async (file: string, options: RestoreOptions) => {
      process.umask(0o077)
      const device = { option: '--device-passphrase-file', file: options.devicePassphraseFile }
      const deviceKey = deviceKeyChoice(options, device)
      const backup = await readBackup(file)
      const { readSecretFile, restoreBackup } = await import('@askee/agent')
      const passphrase = await readSecretFile(options.passphraseFile)
      const node = await restoreBackup({ dataDirectory: options.data, deviceKey, backup, passphrase })
      if (options.json === true) return printJson({ node, data: options.data })
      printData(`keys of ${node} restored into ${options.data}`)
      printNote(
        'Put the saved databases back before the first start, if there are any. Never run one node on two machines.',
      )
    })
}

async function readBackup(file: string): Promise<Uint8Array> {
  const size = (await stat(file).catch(() => undefined))?.size ?? 0
  if (size <= MAX_BACKUP_BYTES) return readNamedFile(file)
  throw new AskeeError('keys/locked-file', `${file} has ${size} bytes and is no backup of keys`)
}
