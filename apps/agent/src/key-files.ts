import { readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, type Random, toHex } from '@askee/core'
import { type DeviceKey, type KeyStore, openKeyStore } from '@askee/keys'
import type { FolderRecord, Generations } from '@askee/store'
import type { AgentPaths } from './paths.ts'

/** Of the folder in the file of generations; below the data directory. */
const FOLDER = 'keys/secrets'
const SUFFIX = '.secret'
/** Secret that tells this making of the folder from every other; a restore of the keys makes a new one. */
const EPOCH = 'epoch'
const EPOCH_BYTES = 16
/** Name of a key that rotates: a folder that was just made has none. */
const ROTATING = /\.[0-9a-f]{32}$/

export interface KeyFilesComponents {
  readonly deviceKey: DeviceKey
  readonly random: Random
  readonly generations: Generations
}

/** The wrapped secrets of a data directory, and what the file of generations says of them. */
export interface KeyFiles {
  /** Files that are not the newest. */
  older(): Promise<readonly string[]>
  /**
   * The secrets, each the newest; every change is written down from then on.
   * @throws AskeeError `store/rolled-back` naming the file that is not; where one does not even open, what opening it throws
   */
  open(): Promise<KeyStore>
  /** Takes what stands there at the next opening: for the owner's command alone. */
  forget(): void
}

/** Marks a key store that was made anew, so that its files are not taken for older ones. */
export async function beginKeyFiles(store: KeyStore): Promise<void> {
  await store.secret(EPOCH, EPOCH_BYTES)
}

/** @param store of the same folder */
export async function keyFiles(
  { deviceKey, random, generations }: KeyFilesComponents,
  { secrets }: Pick<AgentPaths, 'secrets'>,
  store: KeyStore,
): Promise<KeyFiles> {
  const nameOf = (file: string): string => file.slice(0, -SUFFIX.length)
  if (generations.folder(FOLDER, '').known() === 'none') await beginKeyFiles(store)
  const epoch = await store.read(EPOCH)
  const record: FolderRecord = generations.folder(FOLDER, epoch === undefined ? '' : toHex(epoch))
  const older = (found: ReadonlyMap<string, Uint8Array>): readonly string[] => {
    if (record.known() !== 'another') return record.differing(found)
    // One that a restore just made holds no key that rotates; with one it is that of another time.
    return epoch === undefined
      ? [`${EPOCH}${SUFFIX}`]
      : [...found.keys()].filter((file) => ROTATING.test(nameOf(file)))
  }
  return {
    older: async () => older(await readAll(secrets)),
    async open() {
      const found = await readAll(secrets)
      // A flipped bit is not an older copy, and has a name of its own.
      for (const file of older(found)) if (found.has(file)) await store.read(nameOf(file))
      const [first] = record.known() === 'another' ? older(found) : []
      if (first !== undefined) throw ofAnotherTime(secrets, first)
      for (const file of record.check(found)) await unlink(join(secrets, file))
      return openKeyStore({ directory: secrets, deviceKey, random, record })
    },
    forget: () => record.forget(),
  }
}

async function readAll(folder: string): Promise<Map<string, Uint8Array>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(SUFFIX))
  const read = async (name: string) => [name, new Uint8Array(await readFile(join(folder, name)))] as const
  return new Map(await Promise.all(names.map(read)))
}

function ofAnotherTime(folder: string, file: string): AskeeError {
  return new AskeeError(
    'store/rolled-back',
    `${join(folder, file)} is of other keys than this data directory last had. Put the newest copy of the folder back; if you put this one there yourself: askee data accept-restored`,
    { path: folder },
  )
}
