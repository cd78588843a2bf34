import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, type NodeId, systemClock, systemRandom } from '@askee/core'
import {
  backUpKeys,
  type DeviceKey,
  type KeyStore,
  openKeyStore,
  restartChains,
  restoreKeys,
  VOID_BOOK,
  VOID_MEMORY,
} from '@askee/keys'
import { lockDirectory, openGenerations, openStoreKey, saveStoreKey } from '@askee/store'
import { type DeviceKeyChoice, openDeviceKey } from './device-key.ts'
import { beginKeyFiles } from './key-files.ts'
import { OWNER_ROOT } from './owner-root.ts'
import { agentPaths, keyPaths } from './paths.ts'

/**
 * What lasts: without these a node is another node, or cannot open its data. Keys that rotate are left out: one that came
 * back would open what was sealed before it was destroyed.
 */
const LASTING = ['node', 'owner', 'store', 'vault', 'audit-subjects', 'compiled'] as const
/**
 * What not every node has: a backup holds it where it is there. Of the identities that are void those of strangers stay out:
 * there is no room for them, and others tell them within the hour.
 */
const IF_HELD = [OWNER_ROOT, VOID_BOOK, VOID_MEMORY.known] as const
/** Key of the store in a backup. On disk it stands apart, in a file of its own. */
const STORE = 'store'

/** @throws AskeeError `keys/passphrase-size` */
export async function backUpSecrets(
  store: KeyStore,
  storeKey: Uint8Array,
  passphrase: string,
): Promise<Uint8Array> {
  const withStoreKey: KeyStore = {
    ...store,
    read: async (name) => (name === STORE ? Uint8Array.from(storeKey) : store.read(name)),
  }
  const held = await store.names()
  const names = [...LASTING, ...IF_HELD.filter((name) => held.includes(name))]
  return backUpKeys(withStoreKey, names, passphrase, systemRandom)
}

export interface RestoreInit {
  readonly dataDirectory: string
  /** Where the new device key lives; it need not be the kind that the old one was. */
  readonly deviceKey: DeviceKeyChoice
  readonly backup: Uint8Array
  readonly passphrase: string
}

/**
 * Makes the keys of a data directory from a backup; all of them are there when it resolves, or none. The databases of the
 * lost directory open with them. Keys that rotate begin anew, and the lost ones are told void at the first start.
 * @throws AskeeError `agent/restore-occupied` when keys are there, `store/in-use` when an agent runs on it,
 * `keys/wrong-passphrase`, `keys/locked-file` when the backup was changed or damaged, `agent/backup-incomplete`, and what
 * opening the device key throws
 */
export async function restoreBackup(init: RestoreInit): Promise<NodeId> {
  await mkdir(init.dataDirectory, { recursive: true, mode: 0o700 })
  const release = lockDirectory(init.dataDirectory)
  const final = agentPaths(init.dataDirectory)
  const draft = join(init.dataDirectory, 'keys.restoring')
  try {
    await assertEmpty(final.keys)
    await rm(draft, { recursive: true, force: true })
    await mkdir(draft, { mode: 0o700 })
    const node = await restoreInto(draft, init)
    // Only an empty folder can be there: anything else makes this fail.
    await rm(final.keys, { recursive: true, force: true })
    await rename(draft, final.keys)
    return node
  } finally {
    await rm(draft, { recursive: true, force: true })
    release()
  }
}

async function assertEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (entries.length === 0) return
  throw new AskeeError(
    'agent/restore-occupied',
    `${folder} holds keys already, and nothing is overwritten. Restore into an empty data directory, or move that folder away first.`,
    { folder },
  )
}

async function restoreInto(folder: string, init: RestoreInit): Promise<NodeId> {
  const paths = { ...agentPaths(init.dataDirectory), ...keyPaths(folder) }
  const deviceKey = await openDeviceKey(init.deviceKey, paths, systemRandom)
  try {
    const store = await openKeyStore({ directory: paths.secrets, deviceKey, random: systemRandom })
    await restoreKeys(
      withStoreKeyFile(store, deviceKey, paths.storeKey),
      init.backup,
      init.passphrase,
      systemRandom,
    )
    const missing = await missingOf(store)
    if (missing.length > 0) {
      throw new AskeeError(
        'agent/backup-incomplete',
        `the backup lacks ${missing.join(', ')}; nothing was restored`,
      )
    }
    // Opens what was written, so that no half of it stays unseen.
    const key = await openStoreKey({ deviceKey, random: systemRandom }, { path: paths.storeKey })
    await restartChains(store, systemClock.now())
    await beginKeyFiles(store)
    // Keys without it are those of an emptied directory; here it is the owner who begins without databases, or brings them.
    if (!existsSync(paths.generations)) {
      openGenerations({ random: systemRandom }, { path: paths.generations, key }).persist()
    }
    return (await store.identity('node')).id
  } finally {
    await deviceKey.close()
  }
}

/** The key store, with the store's key in its file. */
function withStoreKeyFile(store: KeyStore, deviceKey: DeviceKey, path: string): KeyStore {
  return {
    ...store,
    replace: (name, bytes) =>
      name === STORE ? saveStoreKey(deviceKey, path, bytes) : store.replace(name, bytes),
  }
}

async function missingOf(store: KeyStore): Promise<string[]> {
  const held = new Set([...(await store.names()), STORE])
  return LASTING.filter((name) => !held.has(name))
}
