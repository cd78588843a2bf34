import { existsSync } from 'node:fs'
import { AskeeError, type Random } from '@askee/core'
import { type DeviceKey, type Identity, type KeyStore, openKeyStore } from '@askee/keys'
import { type Generations, openGenerations, openStoreKey, type Sealing } from '@askee/store'
import { type DeviceKeyChoice, openDeviceKey } from './device-key.ts'
import { keyFiles } from './key-files.ts'
import type { AgentPaths } from './paths.ts'
import { openVaultKey, type VaultKey } from './vault-key.ts'

/** What opens everything else in the data directory. */
export interface Secrets {
  readonly deviceKey: DeviceKey
  readonly keyStore: KeyStore
  /** The node in the mesh. */
  readonly node: Identity
  /** The person whose machine it is. */
  readonly owner: Identity
  /** Authenticates compiled modules; only this agent's wardens ever get it. */
  readonly compiledKey: Uint8Array
  /** Hides in the audit log's index whom an act concerns. */
  readonly subjectKey: Uint8Array
  /** Wraps the keys of the audit log's vault. */
  readonly vaultKey: VaultKey
  /** For every database and the block store. */
  readonly sealing: Sealing & { readonly generations: Generations }
  /** Files of secrets that are not the newest; empty unless they were to be reported. Then no change of a secret is written down. */
  readonly olderKeys: readonly string[]
  /** Takes them at the next start. */
  readonly takeOlderKeys: () => void
}

const KEY_BYTES = 32
/** Made before the first database: where one was opened, new ones in their place would be another node's. */
const FIRST = ['node', 'owner', 'audit-subjects'] as const

export interface SecretsInit {
  /**
   * What to do when the file of generations is gone and the keys are there, so that nothing says which databases there were.
   * `make` is for an owner who put databases back: then it is written with the first of them. Default: `refuse`.
   */
  readonly lostGenerations?: 'refuse' | 'make'
  /** What to do when secrets are not the newest: `report` opens them, for an owner who is asked what to do. Default: `refuse`. */
  readonly olderKeys?: 'refuse' | 'report'
}

/**
 * Unlocks the secrets of a data directory, or makes them: all of them, for a directory that has no data yet. Seeds that an
 * earlier version kept in clear are taken over once, where no database was ever opened.
 *
 * What tells an emptied directory from a fresh one: the file of generations is written before the first secret, and every
 * database is in it before it is made, and every secret before it is written. Whoever deletes all of it, secrets too, has another node and owner.
 * @throws AskeeError `keys/*`, `store/wrong-key`, `store/damaged`, `agent/secret-file`, `agent/keys-missing` when there is data
 * and not every key of it, `agent/generations-missing` when there are keys and nothing says which databases there were, `store/rolled-back` when a
 * secret is older than the newest, gone, or back
 */
export async function openSecrets(
  choice: DeviceKeyChoice,
  paths: AgentPaths,
  random: Random,
  init: SecretsInit = {},
): Promise<Secrets> {
  return openSecretsWith(await openDeviceKey(choice, paths, random), paths, random, init)
}

/** With a device key that is open; it is closed when this throws, and the caller's to close when it does not. */
export async function openSecretsWith(
  deviceKey: DeviceKey,
  paths: AgentPaths,
  random: Random,
  init: SecretsInit,
): Promise<Secrets> {
  try {
    return await openWith(deviceKey, paths, random, init)
  } catch (error) {
    await deviceKey.close().catch(() => undefined)
    throw error
  }
}

async function openWith(
  deviceKey: DeviceKey,
  paths: AgentPaths,
  random: Random,
  { lostGenerations = 'refuse', olderKeys = 'refuse' }: SecretsInit,
): Promise<Secrets> {
  const unrecorded = await openKeyStore({ directory: paths.secrets, deviceKey, random })
  const held = await unrecorded.names()
  const isNew = !existsSync(paths.generations)
  if (isNew && held.length > 0 && lostGenerations === 'refuse') throw generationsMissing(paths)
  if (!existsSync(paths.storeKey) && (!isNew || held.length > 0)) throw keysMissing(paths, ['store'])
  const key = await openStoreKey({ deviceKey, random }, { path: paths.storeKey })
  const generations = openGenerations({ random }, { path: paths.generations, key })
  // An owner who is asked first has it written only with the answer.
  if (isNew && lostGenerations === 'refuse') generations.persist()
  if (generations.names().length > 0 || (isNew && held.length > 0)) {
    const missing = FIRST.filter((name) => !held.includes(name))
    if (missing.length > 0) throw keysMissing(paths, missing)
  }
  // Nothing is written before an owner who is asked has answered.
  const files =
    isNew && lostGenerations === 'make'
      ? undefined
      : await keyFiles({ deviceKey, random, generations }, paths, unrecorded)
  const older = olderKeys === 'report' ? ((await files?.older()) ?? []) : []
  const keys = files === undefined || older.length > 0 ? unrecorded : await files.open()
  await keys.adopt('node', paths.rawNodeKey)
  await keys.adopt('owner', paths.rawOwnerKey)
  return {
    deviceKey,
    keyStore: keys,
    node: await keys.identity('node'),
    owner: await keys.identity('owner'),
    compiledKey: await keys.secret('compiled', KEY_BYTES),
    subjectKey: await keys.secret('audit-subjects', KEY_BYTES),
    vaultKey: openVaultKey(deviceKey, await keys.secret('vault', KEY_BYTES), random),
    sealing: { key, generations },
    olderKeys: older,
    takeOlderKeys: () => files?.forget(),
  }
}

function keysMissing(paths: AgentPaths, missing: readonly string[]): AskeeError {
  return new AskeeError(
    'agent/keys-missing',
    `${paths.keys} lacks the keys ${missing.join(', ')} of the data in ${paths.directory}. Put them back, or restore them from a backup with askee keys restore; to begin as a new node, take another data directory.`,
    { missing },
  )
}

function generationsMissing({ generations, directory }: AgentPaths): AskeeError {
  return new AskeeError(
    'agent/generations-missing',
    `${generations} is not there, which says how new the databases of ${directory} must be: somebody emptied the directory, or put an old copy of it back. Put the file back; if it was you, and what stands there is to be taken as it is: askee data accept-restored`,
    { path: generations },
  )
}
