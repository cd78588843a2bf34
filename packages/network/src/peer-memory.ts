import { decode, encode, type Logger, type Random } from '@askee/core'
import { type Datastore, Key } from 'interface-datastore'
import { z } from 'zod'
import { MAX_PEER_MEMORY_BYTES, MAX_REMEMBERED_PEERS } from './defaults.ts'
import { type KnownPeers, PEERS_PREFIX, type PeerMerit } from './known-peers.ts'
import { MemoryFile, type MeshMemory } from './memory-file.ts'

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
 * `<directory>/mesh.sealed`: the peer store and the own records. What is held for others is not written: its owners put it
 * again.
 */
export class PeerMemory {
  readonly #file: MemoryFile
  readonly #known: KnownPeers

  constructor(memory: MeshMemory, known: KnownPeers, random: Random, logger: Logger) {
    this.#known = known
    this.#file = new MemoryFile(memory, 'mesh.sealed', random, logger)
  }

  /** Fills the datastore; a file that cannot be read is set aside, and the node starts with no memory. */
  async load(datastore: Datastore): Promise<OwnRecords> {
    const file = await this.#file.read(MAX_PEER_MEMORY_BYTES, (bytes) => {
      const content = decode(bytes, fileSchema, MAX_PEER_MEMORY_BYTES)
      return { ...content, peers: content.peers.map(([key, value]) => [new Key(key), value] as const) }
    })
    if (file === undefined) return []
    for (const [key, value] of file.peers) {
      if (key.toString().startsWith(PEERS_PREFIX)) await datastore.put(key, value)
    }
    for (const { entry, ...merit } of file.merits) this.#known.restore(entry, merit)
    return file.records
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
    await this.#file.write(encode({ version: 1, peers, merits, records }))
  }
}
