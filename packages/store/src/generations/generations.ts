import { existsSync, readFileSync } from 'node:fs'
import { AskeeError, decode, encode, errorCode, type Random } from '@askee/core'
import { z } from 'zod'
import { writeDurably } from '../durable-file.ts'
import { type FileSealing, fileSealing } from '../file-sealing.ts'

/** There is one file of this kind. */
const KIND = 'generations'
const NAME = ''
const MAX_BYTES = 1024 * 1024
/** What an owner does who put an older copy back on purpose. */
export const ACCEPT = 'askee data accept-restored'

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))

const ENTRY = z.strictObject({
  /** Empty while the database is being made: then whatever is found is taken. */
  epoch: z.union([hex(16), z.literal('')]),
  generation: z.int().min(0),
  /** The whole file, when it was closed in order and nobody has opened it since. */
  file: z.strictObject({ bytes: z.int().min(0), sha256: hex(32) }).nullable(),
})
const SCHEMA = z.record(z.string().max(255), ENTRY)

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
  const entries = new Map(Object.entries(existsSync(path) ? read(path, sealing) : {}))

  const persist = (): void => writeDurably(path, sealing.seal(NAME, encode(Object.fromEntries(entries))))
  const put = (name: string, seen: SeenGeneration | undefined): void => {
    if (seen === undefined) entries.delete(name)
    else entries.set(name, seen)
    persist()
  }
  return {
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

function read(path: string, sealing: FileSealing): Record<string, SeenGeneration> {
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
