import { decode, encode, type Logger, type Random } from '@askee/core'
import { type Datastore, Key } from 'interface-datastore'
import { z } from 'zod'
import {
  MAX_OWN_RECORDS_BYTES,
  MAX_PEER_ENTRY_BYTES,
  MAX_PEER_MEMORY_BYTES,
  MAX_REMEMBERED_PEERS,
} from './defaults.ts'
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
      // An earlier version wrote whatever strangers had made up about a peer; the datastore takes no more than this.
      if (key.toString().startsWith(PEERS_PREFIX) && value.byteLength <= MAX_PEER_ENTRY_BYTES)
        await datastore.put(key, value)
    }
    for (const { entry, ...merit } of file.merits) this.#known.restore(entry, merit)
    return file.records
  }

  /**
   * Own records first, then peers by merit, the last dialled before others; what does not fit is left out, so that whatever is
   * written can be read again.
   */
  async save(datastore: Datastore, records: OwnRecords): Promise<void> {
    const own = new Room(MAX_OWN_RECORDS_BYTES)
    const kept = records.toReversed().filter(([key, bytes]) => own.take(key.byteLength + bytes.byteLength))
    const room = new Room(MAX_PEER_MEMORY_BYTES - own.taken - ENVELOPE_BYTES)
    const all = await this.#remembered(datastore)
    // Its name stands there twice.
    const fits = ({ entry, value }: RememberedPeer): boolean =>
      value.byteLength <= MAX_PEER_ENTRY_BYTES && room.take(value.byteLength + 2 * entry.length)
    const fitting = new Set(all.toSorted(byMerit).filter(fits))
    // In the order in which they were heard of, in which they give way.
    const chosen = all.filter((peer) => fitting.has(peer))
    const peers = chosen.map(({ entry, value }) => [entry, value])
    const merits = chosen
      .filter(({ merit }) => merit.kept || merit.reached > 0)
      .map(({ entry, merit }) => ({ entry, ...merit }))
    await this.#file.write(encode({ version: 1, peers, merits, records: kept.reverse() }))
  }

  async #remembered(datastore: Datastore): Promise<RememberedPeer[]> {
    const all: RememberedPeer[] = []
    for await (const { key, value } of datastore.query({ prefix: PEERS_PREFIX })) {
      const entry = key.toString()
      all.push({ entry, value, merit: this.#known.merit(entry) })
    }
    return all
  }
}

function byMerit({ merit: a }: RememberedPeer, { merit: b }: RememberedPeer): number {
  return Number(b.kept) - Number(a.kept) || b.reached - a.reached
}

interface RememberedPeer {
  readonly entry: string
  readonly value: Uint8Array
  readonly merit: PeerMerit
}

/** What the names of fields and the version take. */
const ENVELOPE_BYTES = 1024
/** What an entry takes beside its bytes: lengths, and a merit with the names of its fields. */
const ENTRY_BYTES = 64

/** Bytes that may be written. */
class Room {
  readonly #most: number
  taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** False, and nothing is taken, when there is not so much left. */
  take(bytes: number): boolean {
    if (this.taken + bytes + ENTRY_BYTES > this.#most) return false
    this.taken += bytes + ENTRY_BYTES
    return true
  }
}
