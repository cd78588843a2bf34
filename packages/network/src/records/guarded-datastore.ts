import { AskeeError, type Clock, type NodeId } from '@askee/core'
import { NotFoundError } from '@libp2p/interface'
import { Record as DhtRecord } from '@libp2p/kad-dht'
import { BaseDatastore } from 'datastore-core'
import { Key, type Pair } from 'interface-datastore'
import { base32 } from 'multiformats/bases/base32'
import { MAX_PEER_ENTRY_BYTES } from '../defaults.ts'
import { KnownPeers, PEERS_PREFIX } from '../known-peers.ts'
import { decodeRecord, supersedes } from './codec.ts'
import { RecordRoom } from './record-room.ts'
import { validRecord } from './validator.ts'

export const RECORD_PREFIX = '/dht/record/'
/** Where kad-dht keeps the record of a DHT key. */
export function recordEntry(dhtKey: Uint8Array): Key {
  return keyOf(`${RECORD_PREFIX}${base32.baseEncode(dhtKey)}`)
}

const PROVIDER_PREFIX = '/dht/provider/'

/**
 * Where kad-dht keeps what it holds for others, in memory. It applies what kad-dht leaves out: a put is
 * checked against the record that is there (js-libp2p#3377: PUT_VALUE never runs the selector), only our
 * namespace is kept, records and peers are capped, and nobody's provider entries are taken: who has which block concerns
 * those who compute together, and nobody else.
 */
export class GuardedDatastore extends BaseDatastore {
  readonly #clock: Clock
  readonly #known: KnownPeers
  readonly #entries = new Map<string, Uint8Array>()
  readonly #room: RecordRoom

  constructor(clock: Clock, self: NodeId, known: KnownPeers = new KnownPeers(self)) {
    super()
    this.#known = known
    this.#clock = clock
    this.#room = new RecordRoom(self)
  }

  /** @throws AskeeError `mesh/stale-record` | `mesh/invalid-record` | `mesh/full` | `mesh/refused` */
  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString()
    if (name.startsWith(RECORD_PREFIX)) this.#admitRecord(key, name, value)
    if (name.startsWith(PROVIDER_PREFIX)) throw new AskeeError('mesh/refused', 'blocks are not announced')
    if (name.startsWith(PEERS_PREFIX)) {
      // Addresses that others make up for a peer are added to its own; its word, when it is reached, takes their place.
      if (value.byteLength > MAX_PEER_ENTRY_BYTES)
        throw new AskeeError('mesh/refused', 'too much about a peer')
      const weakest = this.#known.add(name)
      if (weakest !== undefined) this.#entries.delete(weakest)
    }
    this.#entries.set(name, value)
    return key
  }

  override delete(key: Key): void {
    this.#room.release(key.toString())
    this.#known.forget(key.toString())
    this.#entries.delete(key.toString())
  }

  override get(key: Key): Uint8Array {
    const value = this.#entries.get(key.toString())
    if (value === undefined) throw new NotFoundError(`nothing under ${key}`)
    return value
  }

  override has(key: Key): boolean {
    return this.#entries.has(key.toString())
  }

  override *_all(): Generator<Pair> {
    for (const [name, value] of [...this.#entries]) yield { key: keyOf(name), value }
  }

  override *_allKeys(): Generator<Key> {
    for (const name of [...this.#entries.keys()]) yield keyOf(name)
  }

  #admitRecord(key: Key, name: string, value: Uint8Array): void {
    const offered = DhtRecord.deserialize(value)
    const next = decodeRecord(offered.key, offered.value, this.#clock.now())
    if (this.has(key)) {
      const held = DhtRecord.deserialize(this.get(key))
      const current = validRecord(held.key, held.value, this.#clock)
      if (current !== undefined && supersedes(current, next)) {
        throw new AskeeError(
          'mesh/stale-record',
          `expected a sequence above ${current.record.sequence}, received ${next.record.sequence}`,
        )
      }
    }
    const evicted = this.#room.take(name, next.record.owner, offered.key)
    if (evicted !== undefined) this.#entries.delete(evicted)
  }
}

function keyOf(name: string): Key {
  return new Key(name, false)
}
