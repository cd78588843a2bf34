import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AskeeError, decode, encode, errorCode, type Random } from '@askee/core'
import { z } from 'zod'
import { writeDurably } from '../durable-file.ts'
import { type FileSealing, fileSealing } from '../file-sealing.ts'
import { FOLDER, type FolderRecord, folderRecord } from './folder-record.ts'

/** There is one file of this kind. */
const KIND = 'generations'
const NAME = ''
const MAX_BYTES = 1024 * 1024

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))

const ENTRY = z.strictObject({
  /** Empty while the database is being made: then whatever is found is taken. */
  epoch: z.union([hex(16), z.literal('')]),
  generation: z.int().min(0),
  /** The whole file, when it was closed in order and nobody has opened it since. */
  file: z.strictObject({ bytes: z.int().min(0), sha256: hex(32) }).nullable(),
})
const DATABASES = z.record(z.string().max(255), ENTRY)
const CONTENT = z.strictObject({
  v: z.literal(2),
  /** Raised by every writing. Each database keeps the newest that it saw, so that an older copy of this file is found. */
  count: z.int().min(0),
  databases: DATABASES,
  folders: z.record(z.string().max(255), FOLDER),
})
/** Version 1 held the databases alone. */
const SCHEMA = z.union([
  CONTENT,
  DATABASES.transform((databases) => ({ v: 2 as const, count: 0, databases, folders: {} })),
])

/** The last that was seen of one database. */
export type SeenGeneration = z.output<typeof ENTRY>

/** How new each database of a store must at least be. One process at a time writes it (`lockDirectory`). */
export interface Generations {
  get(name: string): SeenGeneration | undefined
  /** On disk when it returns. */
  record(name: string, seen: SeenGeneration): void
  /**
   * Lets the next opening take whatever stands there, as after a backup was put back: for the owner's command alone.
   * @returns takes it back, for when what stands there turns out to be no database of this store
   */
  accept(name: string): () => void
  /** How often the file was written, as far as it is on disk. */
  count(): number
  /** Where it stands. */
  readonly path: string
  /**
   * The record of a folder's files; one for each folder while the store is open.
   * @param epoch of the folder's making: one that was made anew is not the one that was known
   */
  folder(name: string, epoch: string): FolderRecord
  /** Databases that were seen, in order. */
  names(): readonly string[]
  /** Writes the file although it says nothing yet: from then on its absence does. On disk when it returns. */
  persist(): void
}

/**
 * Opens (or makes) the file that remembers the newest generation of each database, encrypted with a key derived from the
 * store key. It finds a database that was rolled back alone. Rolled back together with all databases it finds nothing:
 * for that, fingerprints must be kept outside of this disk (`checkNotOlder`).
 * @throws AskeeError `store/wrong-key`, `store/damaged`
 */
export function openGenerations(
  components: { random: Random },
  init: { path: string; key: Uint8Array },
): Generations {
  const { path } = init
  const sealing = fileSealing(components.random, init.key, KIND)
  const content = existsSync(path) ? read(path, sealing) : undefined
  const entries = new Map(Object.entries(content?.databases ?? {}))
  const folders = new Map(Object.entries(content?.folders ?? {}))
  let count = content?.count ?? 0

  const persist = (): void => {
    const databases = Object.fromEntries(entries)
    const next = { v: 2, count: count + 1, databases, folders: Object.fromEntries(folders) }
    writeDurably(path, sealing.seal(NAME, encode(next)))
    count++
  }
  const put = (name: string, seen: SeenGeneration | undefined): void => {
    if (seen === undefined) entries.delete(name)
    else entries.set(name, seen)
    persist()
  }
  return {
    path,
    count: () => count,
    folder: (name, epoch) =>
      folderRecord(join(dirname(path), name), epoch, {
        get: () => folders.get(name),
        set(states) {
          if (states === undefined) folders.delete(name)
          else folders.set(name, states)
        },
        persist,
      }),
    get: (name) => entries.get(name),
    record: put,
    accept(name) {
      const before = entries.get(name)
      put(name, { epoch: '', generation: 0, file: null })
      return () => put(name, before)
    },
    names: () => [...entries.keys()].sort(),
    persist,
  }
}

function read(path: string, sealing: FileSealing): z.output<typeof CONTENT> {
  const bytes = new Uint8Array(readFileSync(path))
  try {
    return decode(sealing.open(NAME, bytes.subarray(0, MAX_BYTES)), SCHEMA, MAX_BYTES)
  } catch (cause) {
    if (errorCode(cause) === 'store/wrong-key') {
      throw new AskeeError('store/wrong-key', `${path} was encrypted with another key`, { path }, { cause })
    }
    throw new AskeeError(
      'store/damaged',
      `${path}, which says how new the databases must be, is damaged. Restore it with the databases from one backup.`,
      { path },
      { cause },
    )
  }
}
