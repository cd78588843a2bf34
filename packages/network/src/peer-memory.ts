import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decode, encode, errorText, type Logger, type Random, toHex } from '@askee/core'
import { type Datastore, Key } from 'interface-datastore'
import { z } from 'zod'
import { MAX_PEER_MEMORY_BYTES, MAX_REMEMBERED_PEERS } from './defaults.ts'
import { type KnownPeers, PEERS_PREFIX, type PeerMerit } from './known-peers.ts'

const pairs = z.array(z.tuple([z.instanceof(Uint8Array), z.instanceof(Uint8Array)]))
const fileSchema = z.strictObject({
  version: z.literal(1),
  peers: z.array(z.tuple([z.string().max(256), z.instanceof(Uint8Array)])).max(MAX_REMEMBERED_PEERS + 1),
  merits: z
    .array(
      z.strictObject({ entry: z.string().max(256), kept: z.boolean(), reached: z.number().nonnegative() }),
    )
    .max(MAX_REMEMBERED_PEERS)
    .default([]),
  records: pairs,
})

export type OwnRecords = (readonly [key: Uint8Array, bytes: Uint8Array])[]

/**
 * `<directory>/mesh.cbor`: the peer store and the own records, written whole and renamed, so that a crash
 * leaves the old file. What is held for others is not written: its owners put it again.
 */
export class PeerMemory {
  readonly #path: string
  readonly #directory: string
  readonly #known: KnownPeers
  readonly #random: Random
  readonly #logger: Logger

  constructor(directory: string, known: KnownPeers, random: Random, logger: Logger) {
    this.#known = known
    this.#directory = directory
    this.#path = join(directory, 'mesh.cbor')
    this.#random = random
    this.#logger = logger
  }

  /** Fills the datastore; a file that cannot be read is set aside, and the node starts with no memory. */
  async load(datastore: Datastore): Promise<OwnRecords> {
    let bytes: Uint8Array
    try {
      const { size } = await stat(this.#path)
      if (size > MAX_PEER_MEMORY_BYTES) throw new RangeError(`${size} bytes`)
      bytes = await readFile(this.#path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') await this.#setAside(error)
      return []
    }
    try {
      const file = decode(bytes, fileSchema, MAX_PEER_MEMORY_BYTES)
      for (const [key, value] of file.peers) {
        if (key.startsWith(PEERS_PREFIX)) await datastore.put(new Key(key), value)
      }
      for (const { entry, ...merit } of file.merits) this.#known.restore(entry, merit)
      return file.records
    } catch (error) {
      await this.#setAside(error)
      return []
    }
  }

  async save(datastore: Datastore, records: OwnRecords): Promise<void> {
    const peers: [string, Uint8Array][] = []
    const merits: (PeerMerit & { entry: string })[] = []
    for await (const { key, value } of datastore.query({ prefix: PEERS_PREFIX })) {
      const entry = key.toString()
      const merit = this.#known.merit(entry)
      peers.push([entry, value])
      if (merit.kept || merit.reached > 0) merits.push({ entry, ...merit })
    }
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const temporary = `${this.#path}.${toHex(this.#random.bytes(6))}`
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(encode({ version: 1, peers, merits, records }))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path)
  }

  async #setAside(error: unknown): Promise<void> {
    this.#logger.warn({ path: this.#path, error: errorText(error) }, 'remembered peers cannot be read')
    await rename(this.#path, `${this.#path}.broken`).catch(() => undefined)
  }
}
