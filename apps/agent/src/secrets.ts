import type { Random } from '@askee/core'
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

/**
 * Unlocks the secrets of a data directory, or makes them. Seeds that an earlier version kept in clear are taken over once.
 * @throws AskeeError `keys/*`, `store/wrong-key`, `store/damaged`, `agent/secret-file`
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
