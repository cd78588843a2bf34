import { existsSync, readFileSync } from 'node:fs'
import { AskeeError, bytesEqual, concat, decode, encode, type Random, utf8 } from '@askee/core'
import { z } from 'zod'
import { NONCE_BYTES, seal, unseal } from '../aead.ts'
import { deriveKey } from '../derive-key.ts'
import { writeDurably } from '../durable-file.ts'

const MAGIC = utf8('askee-generations-1\n')
const CHECK_BYTES = 16
const MAX_BYTES = 1024 * 1024

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
  /** Lets the next opening take whatever stands there, as after a backup was put back: for the owner's command alone. */
  accept(name: string): void
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
  const key = deriveKey(init.key, 'generations')
  const header = concat(MAGIC, deriveKey(init.key, 'generations-check').subarray(0, CHECK_BYTES))
  const entries = new Map(Object.entries(existsSync(path) ? read(path, key, header) : {}))

  const record = (name: string, seen: SeenGeneration): void => {
    entries.set(name, seen)
    const nonce = components.random.bytes(NONCE_BYTES)
    const body = seal(key, nonce, header, encode(Object.fromEntries(entries)))
    writeDurably(path, concat(header, nonce, body))
  }
  return {
    get: (name) => entries.get(name),
    record,
    accept: (name) => record(name, { epoch: '', generation: 0, file: null }),
  }
}

function read(path: string, key: Uint8Array, header: Uint8Array): Record<string, SeenGeneration> {
  const bytes = new Uint8Array(readFileSync(path))
  const found = bytes.subarray(0, header.byteLength)
  const damaged = (cause?: unknown) =>
    new AskeeError(
      'store/damaged',
      `${path}, which says how new the databases must be, is damaged. Restore it with the databases from one backup.`,
      { path },
      { cause },
    )
  if (bytes.byteLength < header.byteLength + NONCE_BYTES || bytes.byteLength > MAX_BYTES) throw damaged()
  if (!bytesEqual(found, header)) {
    const alike = found.filter((byte, i) => i >= MAGIC.byteLength && byte === header[i]).length
    if (!bytesEqual(found.subarray(0, MAGIC.byteLength), MAGIC) || alike >= CHECK_BYTES / 2) throw damaged()
    throw new AskeeError('store/wrong-key', `${path} was encrypted with another key`, { path })
  }
  const nonce = bytes.subarray(header.byteLength, header.byteLength + NONCE_BYTES)
  const body = unseal(key, nonce, header, bytes.subarray(header.byteLength + NONCE_BYTES))
  if (body === undefined) throw damaged()
  try {
    return decode(body, SCHEMA, MAX_BYTES)
  } catch (cause) {
    throw damaged(cause)
  }
}
