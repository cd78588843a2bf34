import { existsSync, readFileSync } from 'node:fs'
import { AskeeError, type Random } from '@askee/core'
import { KEY_BYTES } from './derive-key.ts'
import { writeDurably } from './durable-file.ts'
import type { KeyWrapping } from './vault/epochs.ts'

const CONTEXT = 'askee/store/key/1'
/** Far more than any device key adds to 32 bytes. */
const MAX_FILE_BYTES = 65_536

/**
 * The one key of a store, from which all its others are derived: read from `path`, where it stands wrapped by the device key,
 * or made. Whoever loses the file or the device key loses the store.
 * @throws AskeeError `store/damaged`, and what `unwrap` throws for another device key or a changed file
 */
export async function openStoreKey(
  components: { deviceKey: KeyWrapping; random: Random },
  init: { path: string },
): Promise<Uint8Array> {
  const { path } = init
  if (!existsSync(path)) {
    const key = components.random.bytes(KEY_BYTES)
    await saveStoreKey(components.deviceKey, path, key)
    return key
  }
  const wrapped = new Uint8Array(readFileSync(path))
  const damaged = wrapped.byteLength === 0 || wrapped.byteLength > MAX_FILE_BYTES
  const key = damaged ? new Uint8Array(0) : await unwrap(components.deviceKey, path, wrapped)
  if (key.byteLength === KEY_BYTES) return key
  throw new AskeeError('store/damaged', `${path} holds no store key. Restore it from a backup.`, { path })
}

/** The device key knows no files: its errors keep their code and gain the name. */
async function unwrap(deviceKey: KeyWrapping, path: string, wrapped: Uint8Array): Promise<Uint8Array> {
  try {
    return await deviceKey.unwrap(wrapped, CONTEXT)
  } catch (cause) {
    if (!(cause instanceof AskeeError)) throw cause
    throw new AskeeError(cause.code, `${path}: ${cause.message}`, { path }, { cause })
  }
}

/** Wraps the key with another device key; on disk when it resolves, the old file whole until then. */
export async function saveStoreKey(deviceKey: KeyWrapping, path: string, key: Uint8Array): Promise<void> {
  writeDurably(path, await deviceKey.wrap(key, CONTEXT))
}
