import { existsSync } from 'node:fs'
import { readdir, readFile, realpath, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AskeeError, type Random } from '@askee/core'
import {
  type DeviceKey,
  openKeychainDeviceKey,
  openPassphraseDeviceKey,
  openPkcs11DeviceKey,
  openSoftwareDeviceKey,
} from '@askee/keys'
import type { AgentPaths } from './paths.ts'

/** Where the key lives that locks all others. */
export type DeviceKeyChoice =
  | { readonly provider: 'software' }
  | { readonly provider: 'keychain' }
  | { readonly provider: 'passphrase'; readonly passphraseFile: string }
  | {
      readonly provider: 'pkcs11'
      readonly module: string
      readonly token: string
      readonly pinFile: string
    }

/** Where its file stands, if it has one, and what it locks. */
export type DeviceKeyPaths = Pick<AgentPaths, 'directory' | 'deviceKey' | 'passphraseKey' | 'secrets'>

const MAX_SECRET_FILE_BYTES = 2048

/** Names of what was being written when a process died; a hard link to the key itself when it died late. */
const PARTIAL = /^device\.(?:key|passphrase)\.[0-9a-f]+\.partial$/

/**
 * Opens the device key, or makes it. The caller has the data directory for itself (`lockDirectory`).
 * @throws AskeeError `keys/*`, `agent/secret-file`, `agent/keys-missing` when its file is gone and what it wrapped is there
 */
export async function openDeviceKey(
  choice: DeviceKeyChoice,
  paths: DeviceKeyPaths,
  random: Random,
): Promise<DeviceKey> {
  await sweepPartials(paths)
  if (choice.provider === 'software') await assertNotLost(paths.deviceKey, paths)
  if (choice.provider === 'passphrase') await assertNotLost(paths.passphraseKey, paths)
  switch (choice.provider) {
    case 'software':
      return openSoftwareDeviceKey({ path: paths.deviceKey, random })
    case 'passphrase':
      return openPassphraseDeviceKey({
        path: paths.passphraseKey,
        passphrase: () => readSecretFile(choice.passphraseFile),
        random,
      })
    case 'keychain':
      return openKeychainDeviceKey({ service: 'askee', ...(await keychainAccounts(paths)), random })
    case 'pkcs11':
      return openPkcs11DeviceKey({
        module: choice.module,
        tokenLabel: choice.token,
        pin: () => readSecretFile(choice.pinFile),
        keyLabel: 'askee device key',
        random,
      })
  }
}

/**
 * The entry of a data directory in the keychain: by its one real path. Earlier versions took the path as it was typed; what
 * they filed is looked for where there are secrets that it may have wrapped.
 */
export async function keychainAccounts(
  paths: Pick<DeviceKeyPaths, 'directory' | 'secrets'>,
): Promise<{ readonly account: string; readonly formerAccounts: readonly string[] }> {
  const account = await realpath(paths.directory).catch(() => resolve(paths.directory))
  const former = new Set([paths.directory, resolve(paths.directory)])
  former.delete(account)
  return { account, formerAccounts: (await holdsSecrets(paths)) ? [...former] : [] }
}

/** Only unlinked: overwriting a hard link would overwrite the key. */
async function sweepPartials({ deviceKey }: DeviceKeyPaths): Promise<void> {
  const keys = dirname(deviceKey)
  if (!existsSync(keys)) return
  for (const name of await readdir(keys)) if (PARTIAL.test(name)) await unlink(join(keys, name))
}

async function holdsSecrets({ secrets }: Pick<DeviceKeyPaths, 'secrets'>): Promise<boolean> {
  return existsSync(secrets) && (await readdir(secrets)).some((name) => name.endsWith('.secret'))
}

/** A new device key would open nothing, and stand in the way of the old one. */
async function assertNotLost(path: string, paths: DeviceKeyPaths): Promise<void> {
  if (existsSync(path) || !(await holdsSecrets(paths))) return
  throw new AskeeError(
    'agent/keys-missing',
    `${path} is not there, and ${paths.secrets} holds secrets that a device key wrapped. Put the file back, choose the kind of device key that was used, or restore a backup.`,
    { path },
  )
}

/**
 * The first line of a file that only its owner can read: a credential of the service manager, for instance.
 * @throws AskeeError `agent/secret-file`
 */
export async function readSecretFile(path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown): AskeeError =>
    new AskeeError('agent/secret-file', `${path} ${why}`, { path }, { cause })
  try {
    const { size, mode } = await stat(path)
    if (size > MAX_SECRET_FILE_BYTES) throw refuse(`is larger than ${MAX_SECRET_FILE_BYTES} bytes`)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw refuse('can be read by others: chmod 600 it')
    }
    return (await readFile(path, 'utf8')).split(/\r?\n/)[0] as string
  } catch (cause) {
    throw cause instanceof AskeeError ? cause : refuse('cannot be read', cause)
  }
}
