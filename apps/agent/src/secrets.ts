import { existsSync } from 'node:fs'
import { AskeeError, type Random } from '@askee/core'
import { type DeviceKey, type Identity, type KeyStore, openKeyStore } from '@askee/keys'
import { openGenerations, openStoreKey, type Sealing } from '@askee/store'
import { type DeviceKeyChoice, openDeviceKey } from './device-key.ts'
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
  readonly sealing: Sealing
}

const KEY_BYTES = 32
/** Made before the first database: where one was opened, new ones in their place would be another node's. */
const FIRST = ['node', 'owner', 'audit-subjects'] as const

/**
 * Unlocks the secrets of a data directory, or makes them: all of them, for a directory that has no data yet. Seeds that an
 * earlier version kept in clear are taken over once.
 * @throws AskeeError `keys/*`, `store/wrong-key`, `store/damaged`, `agent/secret-file`, `agent/keys-missing` when there is data
 * and not every key of it
 */
export async function openSecrets(
  choice: DeviceKeyChoice,
  paths: AgentPaths,
  random: Random,
): Promise<Secrets> {
  const deviceKey = await openDeviceKey(choice, paths, random)
  const keys = await openKeyStore({ directory: paths.secrets, deviceKey, random })
  await keys.adopt('node', paths.rawNodeKey)
  await keys.adopt('owner', paths.rawOwnerKey)
  await assertNoneMissing(keys, paths)
  const key = await openStoreKey({ deviceKey, random }, { path: paths.storeKey })
  const generations = openGenerations({ random }, { path: paths.generations, key })
  return {
    deviceKey,
    keyStore: keys,
    node: await keys.identity('node'),
    owner: await keys.identity('owner'),
    compiledKey: await keys.secret('compiled', KEY_BYTES),
    subjectKey: await keys.secret('audit-subjects', KEY_BYTES),
    vaultKey: openVaultKey(deviceKey, await keys.secret('vault', KEY_BYTES), random),
    sealing: { key, generations },
  }
}

/** The file of generations is written at the first opening of a database, when every secret is on disk. */
async function assertNoneMissing(keys: KeyStore, paths: AgentPaths): Promise<void> {
  if (!existsSync(paths.generations)) return
  const held = await keys.names()
  const missing: string[] = FIRST.filter((name) => !held.includes(name))
  if (!existsSync(paths.storeKey)) missing.push('store')
  if (missing.length === 0) return
  throw new AskeeError(
    'agent/keys-missing',
    `${paths.keys} lacks the keys ${missing.join(', ')} of the data in ${paths.directory}. Put them back, or restore them from a backup with askee keys restore; to begin as a new node, take another data directory.`,
    { missing },
  )
}
