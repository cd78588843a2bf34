import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, type BlockStore, type Clock, type Digest, digestOf, isDigest } from '@askee/core'

export interface BlockStoreInit {
  /** Made when missing. Only this store writes there. */
  readonly directory: string
  /** Bytes kept at most; least recently used blocks make room. */
  readonly maxBytes: number
}

export interface BlockStoreComponents {
  readonly clock: Clock
}

interface Entry {
  bytes: number
  used: number
  pins: number
  /** Whether the file holds what its name says, found out once after start; undefined: not asked yet. */
  sound?: Promise<boolean>
}

/** Hashed between two turns of the event loop: about a millisecond. */
const HASH_PIECE_BYTES = 1024 * 1024

/**
 * Blocks as files named by their SHA-256, two characters of it as a folder. A file gets its name only when it is
 * whole and synchronised, so a crash leaves at most a temporary file, which the next start removes.
 */
export async function createBlockStore(
  components: BlockStoreComponents,
  init: BlockStoreInit,
): Promise<BlockStore> {
  const store = new FileBlockStore(components.clock, init)
  await store.scan()
  return store
}

class FileBlockStore implements BlockStore {
  readonly #clock: Clock
  readonly #directory: string
  readonly #maxBytes: number
  readonly #entries = new Map<Digest, Entry>()
  #lastPut: Promise<void> = Promise.resolve()
  #size = 0
  #temporary = 0

  constructor(clock: Clock, init: BlockStoreInit) {
    this.#clock = clock
    this.#directory = init.directory
    this.#maxBytes = init.maxBytes
  }

  async scan(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    for (const folder of await readdir(this.#directory)) {
      const path = join(this.#directory, folder)
      if (!(await stat(path)).isDirectory()) continue
      for (const name of await readdir(path)) {
        if (!isDigest(name)) {
          await unlink(join(path, name))
          continue
        }
        const { size, mtimeMs } = await stat(join(path, name))
        this.#entries.set(name, { bytes: size, used: mtimeMs, pins: 0 })
        this.#size += size
      }
    }
  }

  async has(digest: Digest): Promise<boolean> {
    return this.#entries.has(digest)
  }

  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    let bytes: Uint8Array
    try {
      bytes = await readFile(this.#path(digest))
    } catch {
      this.#forget(digest)
      return undefined
    }
    if (digestOf(bytes) !== digest) {
      await this.#remove(digest)
      return undefined
    }
    entry.used = this.#clock.now()
    void utimes(this.#path(digest), entry.used / 1000, entry.used / 1000).catch(() => undefined)
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    return this.#entries.get(digest)?.bytes
  }

  async readRange(digest: Digest, offset: number, length: number): Promise<Uint8Array | undefined> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    entry.sound ??= this.#isSound(digest)
    if (!(await entry.sound)) {
      if (this.#entries.get(digest) === entry) await this.#remove(digest)
      return undefined
    }
    const range = new Uint8Array(Math.max(0, Math.min(length, entry.bytes - offset)))
    entry.used = this.#clock.now()
    try {
      return (await this.#read(digest, range, offset)) === range.byteLength ? range : undefined
    } catch {
      // Evicted meanwhile, or taken away by somebody else: the next get notices.
      return undefined
    }
  }

  put(bytes: Uint8Array): Promise<Digest> {
    // One at a time: room is counted, freed and taken without another writer in between.
    const result = this.#lastPut.then(() => this.#put(bytes))
    this.#lastPut = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }

  pin(digest: Digest): () => void {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return () => {}
    entry.pins++
    let released = false
    return () => {
      if (!released) entry.pins--
      released = true
    }
  }

  size(): number {
    return this.#size
  }

  #path(digest: Digest): string {
    return join(this.#directory, digest.slice(0, 2), digest)
  }

  async #read(digest: Digest, into: Uint8Array, offset: number): Promise<number> {
    const file = await open(this.#path(digest), 'r')
    try {
      return (await file.read(into, 0, into.byteLength, offset)).bytesRead
    } finally {
      await file.close()
    }
  }

  /** Piece by piece, so that a large block does not hold up everything else. */
  async #isSound(digest: Digest): Promise<boolean> {
    const hash = createHash('sha256')
    const piece = new Uint8Array(HASH_PIECE_BYTES)
    try {
      const file = await open(this.#path(digest), 'r')
      try {
        for (;;) {
          const { bytesRead } = await file.read(piece, 0, piece.byteLength)
          if (bytesRead === 0) return hash.digest('hex') === digest
          hash.update(piece.subarray(0, bytesRead))
        }
      } finally {
        await file.close()
      }
    } catch {
      return false
    }
  }

  async #put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes)
    const held = this.#entries.get(digest)
    if (held !== undefined) {
      held.used = this.#clock.now()
      return digest
    }
    await this.#makeRoom(bytes.byteLength)
    await this.#write(digest, bytes)
    this.#entries.set(digest, {
      bytes: bytes.byteLength,
      used: this.#clock.now(),
      pins: 0,
      sound: Promise.resolve(true),
    })
    this.#size += bytes.byteLength
    return digest
  }

  async #write(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = this.#path(digest)
    const temporary = `${path}.${this.#temporary++}.tmp`
    await mkdir(join(this.#directory, digest.slice(0, 2)), { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } catch (error) {
      await file.close()
      await unlink(temporary).catch(() => undefined)
      throw error
    }
    await file.close()
    await rename(temporary, path)
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (this.#size + bytes <= this.#maxBytes) return
    const candidates = [...this.#entries]
      .filter(([, entry]) => entry.pins === 0)
      .sort(([, a], [, b]) => a.used - b.used)
    for (const [digest] of candidates) {
      if (this.#size + bytes <= this.#maxBytes) return
      await this.#remove(digest)
    }
    if (this.#size + bytes > this.#maxBytes) {
      throw new AskeeError(
        'blocks/full',
        `${bytes} bytes do not fit: ${this.#size} of ${this.#maxBytes} are held and in use. Raise the storage limit or wait.`,
      )
    }
  }

  async #remove(digest: Digest): Promise<void> {
    this.#forget(digest)
    await unlink(this.#path(digest)).catch(() => undefined)
  }

  #forget(digest: Digest): void {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    this.#size -= entry.bytes
  }
}
