import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, bytesEqual, type Random } from '@askee/core'
import type { DeviceKey } from '../device-key/device-key.ts'
import {
  createFile,
  eraseFile,
  privateFolder,
  readIfThere,
  replaceFile,
  syncFolder,
  TEMPORARY_SUFFIX,
} from '../files.ts'
import { type Identity, identityFromSeed } from '../identity.ts'

/** Secrets by name, on disk only wrapped by the device key. */
export interface KeyStore {
  /**
   * The secret of that name; made of `length` random bytes when there is none. Two that ask at once get the same.
   * @throws AskeeError `keys/secret-length` when the one held has another length, and what `DeviceKey.unwrap` throws
   */
  secret(name: string, length: number): Promise<Uint8Array>
  /** The secret of that name, or undefined. */
  read(name: string): Promise<Uint8Array | undefined>
  /** Keeps `bytes` (1 byte to 64 KiB) under that name. When it resolves, they are on disk; until then the old ones are. */
  replace(name: string, bytes: Uint8Array): Promise<void>
  /** Overwrites and removes the secret. A copy of the file made before can still be opened with the device key. */
  destroy(name: string): Promise<void>
  /** Names held now, in order. */
  names(): Promise<string[]>
  /** The Ed25519 identity of that name; made when there is none. */
  identity(name: string): Promise<Identity>
  /**
   * Takes over a raw 32-byte seed that an earlier version kept in clear: wraps it, reads it back, then erases the raw
   * file. Does nothing when there is no raw file; goes on where a crash stopped it.
   * @throws AskeeError `keys/identity-file` when it is not a seed, `keys/migration-conflict` when another is held
   */
  adopt(name: string, rawSeedPath: string): Promise<void>
}

/** Told of every change before it is made, so that somebody can say later which files are the newest. */
export interface FileRecord {
  /** @returns called when it is done, with what stands there then */
  changing(file: string, next: Uint8Array | null): (now: Uint8Array | null) => void
}

export interface KeyStoreInit {
  /** Its own folder; made of mode 0700. One process at a time opens it. */
  readonly directory: string
  readonly deviceKey: DeviceKey
  readonly random: Random
  readonly record?: FileRecord
}

const SEED_BYTES = 32
const SUFFIX = '.secret'
const NAME = /^[a-z0-9][a-z0-9.-]{0,79}$/

function contextOf(name: string): string {
  return `askee/key-store/1/${name}`
}

function fileOf(directory: string, name: string): string {
  if (NAME.test(name)) return join(directory, `${name}${SUFFIX}`)
  throw new AskeeError(
    'keys/secret-name',
    `expected 1 to 80 of a–z, 0–9, dot and hyphen, received ${JSON.stringify(name.slice(0, 100))}`,
  )
}

/** Opens the secrets of a folder and removes what a crash left half written. */
export async function openKeyStore(init: KeyStoreInit): Promise<KeyStore> {
  const { directory, deviceKey, random, record } = init
  await privateFolder(directory)
  for (const entry of await readdir(directory)) {
    if (entry.endsWith(TEMPORARY_SUFFIX)) await unlink(join(directory, entry))
  }

  const changing = (name: string, next: Uint8Array | null): ((now: Uint8Array | null) => void) =>
    record?.changing(`${name}${SUFFIX}`, next) ?? (() => undefined)
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const wrapped = await readIfThere(fileOf(directory, name))
    return wrapped === undefined ? undefined : deviceKey.unwrap(wrapped, contextOf(name))
  }
  /** The secret held under that name after the call: `bytes`, or what was there before. */
  const create = async (name: string, bytes: Uint8Array): Promise<Uint8Array> => {
    const wrapped = await deviceKey.wrap(bytes, contextOf(name))
    const path = fileOf(directory, name)
    const changed = changing(name, wrapped)
    const held = await createFile(path, wrapped, random)
    changed(held)
    return deviceKey.unwrap(held, contextOf(name))
  }

  const secret = async (name: string, length: number): Promise<Uint8Array> => {
    const held = (await read(name)) ?? (await create(name, random.bytes(length)))
    if (held.byteLength === length) return held
    throw new AskeeError(
      'keys/secret-length',
      `the secret "${name}" has ${held.byteLength} bytes, expected ${length}`,
    )
  }

  return {
    secret,
    read,
    async replace(name, bytes) {
      const path = fileOf(directory, name)
      const wrapped = await deviceKey.wrap(bytes, contextOf(name))
      const changed = changing(name, wrapped)
      await replaceFile(path, wrapped, random)
      changed(wrapped)
    },
    async destroy(name) {
      const path = fileOf(directory, name)
      let changed: ReturnType<typeof changing> | undefined
      try {
        changed = changing(name, null)
      } catch {
        // A full disk must not keep a key alive, and has some room afterwards. Killed before that is written, the next check
        // takes the file for one that somebody took away (README).
      }
      await eraseFile(path)
      changed ??= changing(name, null)
      changed(null)
    },
    names: () => namesIn(directory),
    identity: async (name) => identityFromSeed(await secret(name, SEED_BYTES)),
    async adopt(name, rawSeedPath) {
      const raw = await readIfThere(rawSeedPath)
      if (raw === undefined) return
      if (raw.byteLength !== SEED_BYTES) {
        throw new AskeeError(
          'keys/identity-file',
          `${rawSeedPath}: expected ${SEED_BYTES} bytes, found ${raw.byteLength}. Restore it from a backup; deleting it makes a new identity.`,
        )
      }
      if (!bytesEqual(await create(name, raw), raw)) {
        throw new AskeeError(
          'keys/migration-conflict',
          `"${name}" is held already and ${rawSeedPath} is another one. Move away the one you do not want.`,
        )
      }
      await syncFolder(directory)
      await eraseFile(rawSeedPath)
    },
  }
}

async function namesIn(directory: string): Promise<string[]> {
  const names = (await readdir(directory))
    .filter((entry) => entry.endsWith(SUFFIX))
    .map((entry) => entry.slice(0, -SUFFIX.length))
  return names.filter((name) => NAME.test(name)).sort()
}

/**
 * Wraps every secret of a folder anew, for another provider or after the device key may have been seen. Safe to stop and
 * to start again: what is wrapped by `to` already is left as it is.
 * @returns how many were wrapped anew
 */
export async function rewrapKeyStore(
  init: Omit<KeyStoreInit, 'deviceKey'> & { readonly from: DeviceKey; readonly to: DeviceKey },
): Promise<number> {
  const { directory, from, to, random, record } = init
  let count = 0
  for (const name of await namesIn(directory)) {
    const path = fileOf(directory, name)
    const wrapped = await readIfThere(path)
    if (wrapped === undefined || (await isWrappedBy(to, wrapped, contextOf(name)))) continue
    const bytes = await from.unwrap(wrapped, contextOf(name))
    const again = await to.wrap(bytes, contextOf(name))
    const changed = record?.changing(`${name}${SUFFIX}`, again)
    await replaceFile(path, again, random)
    changed?.(again)
    bytes.fill(0)
    count += 1
  }
  return count
}

async function isWrappedBy(key: DeviceKey, wrapped: Uint8Array, context: string): Promise<boolean> {
  try {
    ;(await key.unwrap(wrapped, context)).fill(0)
    return true
  } catch (error) {
    if (error instanceof AskeeError && error.code === 'keys/wrong-key') return false
    throw error
  }
}
