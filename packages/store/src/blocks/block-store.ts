import { createHash } from 'node:crypto'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
  utimes,
} from 'node:fs/promises'
import { join } from 'node:path'
import {
  AskeeError,
  type BlockStore,
  type Clock,
  type Digest,
  digestOf,
  errorCode,
  errorText,
  isDigest,
  type Random,
} from '@askee/core'
import type { BlockFormat } from './format.ts'
import { checkBlockKey } from './key-check.ts'
import { plainFormat } from './plain-format.ts'
import { sealedFormat } from './sealed-format.ts'

export interface BlockStoreInit {
  /** Made when missing. Only this store writes there. */
  readonly directory: string
  /** Bytes of blocks kept at most; least recently used blocks make room. */
  readonly maxBytes: number
  /** The store's key, 32 bytes, and where salts come from: blocks are sealed, those that stand there in clear too. */
  readonly sealing?: { readonly key: Uint8Array; readonly random: Random }
  /** Told of every damaged file (`blocks/damaged`): a block is then dropped, the proof of the key made again. */
  readonly onDamaged?: (error: AskeeError) => void
}

export interface BlockStoreComponents {
  readonly clock: Clock
}

/** File systems give files whole pages. */
const PAGE_BYTES = 4096

interface Entry {
  bytes: number
  used: number
  pins: number
  /** Whether the file holds what its name says, found out once after start; undefined: not asked yet. */
  sound?: Promise<boolean>
}

/**
 * Blocks as files, the first two characters of their names as a folder. A file gets its name only when it is whole and
 * synchronised, so a crash leaves at most a temporary file, which the next start removes.
 * @throws AskeeError `store/wrong-key` when the blocks there were sealed with another key, or with one and none is given
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
  readonly #init: BlockStoreInit
  readonly #format: BlockFormat
  /** By file name. */
  readonly #entries = new Map<string, Entry>()
  #lastPut: Promise<void> = Promise.resolve()
  #size = 0
  #temporary = 0

  constructor(clock: Clock, init: BlockStoreInit) {
    this.#clock = clock
    this.#init = init
    this.#format =
      init.sealing === undefined ? plainFormat : sealedFormat(init.sealing.key, init.sealing.random)
  }

  async scan(): Promise<void> {
    const { directory, sealing } = this.#init
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const damage = await checkBlockKey(directory, sealing?.key)
    if (damage !== undefined) this.#init.onDamaged?.(damage)
    for (const folder of await readdir(directory)) {
      const path = join(directory, folder)
      if (!(await stat(path)).isDirectory()) continue
      for (const name of await readdir(path)) await this.#takeIn(name, join(path, name))
    }
  }

  async has(digest: Digest): Promise<boolean> {
    return this.#entries.has(this.#format.nameOf(digest))
  }

  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const name = this.#format.nameOf(digest)
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    const bytes = new Uint8Array(entry.bytes)
    if (!(await this.#verify(name, digest, entry, appendTo(bytes)))) return undefined
    this.#use(name, entry)
    return bytes
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    return this.#entries.get(this.#format.nameOf(digest))?.bytes
  }

  async readRange(digest: Digest, offset: number, count: number): Promise<Uint8Array | undefined> {
    const name = this.#format.nameOf(digest)
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    entry.sound ??= this.#verify(name, digest, entry, () => undefined)
    if (!(await entry.sound)) return undefined
    const range = new Uint8Array(Math.max(0, Math.min(count, entry.bytes - offset)))
    entry.used = this.#clock.now()
    let length = 0
    const append = appendTo(range)
    try {
      await this.#read(name, digest, offset, range.byteLength, (piece) => {
        append(piece)
        length += piece.byteLength
      })
      return length === range.byteLength ? range : undefined
    } catch {
      // Evicted meanwhile, or damaged since by somebody else: the next get notices.
      return undefined
    }
  }

  put(bytes: Uint8Array): Promise<Digest> {
    // One at a time: room is counted, freed and taken without another writer in between.
    return this.#inTurn(() => this.#put(bytes))
  }

  remove(digest: Digest): Promise<'removed' | 'pinned' | 'absent'> {
    // Behind the puts that were asked for before, so that none of them brings the block back.
    return this.#inTurn(async () => {
      const name = this.#format.nameOf(digest)
      const entry = this.#entries.get(name)
      if (entry === undefined) return 'absent'
      if (entry.pins > 0) return 'pinned'
      await this.#drop(name, entry)
      return 'removed'
    })
  }

  removeAllBut(kept: () => Iterable<Digest>): Promise<number> {
    return this.#inTurn(async () => {
      const names = new Set([...kept()].map((digest) => this.#format.nameOf(digest)))
      const rest = [...this.#entries].filter(([name, { pins }]) => pins === 0 && !names.has(name))
      const failures: unknown[] = []
      for (const [name, entry] of rest) {
        // Pinned while others were dropped.
        if (entry.pins === 0) await this.#drop(name, entry).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
      return rest.length
    })
  }

  pin(digest: Digest): () => void {
    const entry = this.#entries.get(this.#format.nameOf(digest))
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

  diskBytes(bytes: number): number {
    return Math.ceil(this.#format.fileBytes(bytes) / PAGE_BYTES) * PAGE_BYTES
  }

  /** One change at a time. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastPut.then(change)
    this.#lastPut = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }

  async #drop(name: string, entry: Entry): Promise<void> {
    this.#forget(name)
    try {
      await unlink(this.#path(name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      // It is still there: who asks again must find it, and not hear that it is gone.
      this.#hold(name, entry)
      throw error
    }
  }

  #path(name: string): string {
    return join(this.#init.directory, name.slice(0, 2), name)
  }

  #use(name: string, entry: Entry): void {
    entry.used = this.#clock.now()
    void utimes(this.#path(name), entry.used / 1000, entry.used / 1000).catch(() => undefined)
  }

  /** One file found at start. */
  async #takeIn(name: string, path: string): Promise<void> {
    if (!this.#format.owns(name)) {
      if (isDigest(name)) await this.#sealPlain(name, path)
      await unlink(path)
      return
    }
    const { size, mtimeMs } = await stat(path)
    const bytes = this.#format.contentBytes(size)
    if (bytes === undefined) await this.#dropDamaged(name, new Error(`no block is ${size} bytes long`))
    else this.#hold(name, { bytes, used: mtimeMs, pins: 0 })
  }

  /** A block from before blocks were sealed. Damaged ones are not taken along. */
  async #sealPlain(digest: Digest, path: string): Promise<void> {
    const bytes = await readFile(path)
    if (digestOf(bytes) !== digest) return
    const name = this.#format.nameOf(digest)
    if (this.#entries.has(name)) return
    const { mtimeMs } = await stat(path)
    await this.#write(name, digest, bytes)
    await utimes(this.#path(name), mtimeMs / 1000, mtimeMs / 1000)
    this.#hold(name, { bytes: bytes.byteLength, used: mtimeMs, pins: 0 })
  }

  /** Piece by piece, so that a large block neither holds up everything else nor fills the memory. */
  async #read(
    name: string,
    digest: Digest,
    offset: number,
    length: number,
    see: (piece: Uint8Array) => void,
  ): Promise<void> {
    const file = await open(this.#path(name), 'r')
    try {
      for await (const piece of this.#format.read(file, digest, offset, length)) see(piece)
    } finally {
      await file.close()
    }
  }

  /** Reads a whole block; a damaged one is dropped. */
  async #verify(
    name: string,
    digest: Digest,
    entry: Entry,
    see: (piece: Uint8Array) => void,
  ): Promise<boolean> {
    try {
      const hash = createHash('sha256')
      await this.#read(name, digest, 0, entry.bytes, (piece) => {
        hash.update(piece)
        see(piece)
      })
      if (hash.digest('hex') !== digest) throw new AskeeError('blocks/damaged', 'it holds other bytes')
      return true
    } catch (error) {
      if (this.#entries.get(name) !== entry) return false
      if (errorCode(error) === 'blocks/damaged') await this.#dropDamaged(name, error)
      // Taken away, or not readable now: the next start looks again.
      else this.#forget(name)
      return false
    }
  }

  async #put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes)
    const name = this.#format.nameOf(digest)
    const held = this.#entries.get(name)
    if (held !== undefined) {
      held.used = this.#clock.now()
      // A file from before the start may be damaged: whoever puts the block again must not lose it with that.
      held.sound ??= this.#verify(name, digest, held, () => undefined)
      if (await held.sound) return digest
    }
    await this.#makeRoom(bytes.byteLength)
    await this.#write(name, digest, bytes)
    this.#hold(name, {
      bytes: bytes.byteLength,
      used: this.#clock.now(),
      pins: 0,
      sound: Promise.resolve(true),
    })
    return digest
  }

  async #write(name: string, digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name)
    const temporary = `${path}.${this.#temporary++}.tmp`
    await mkdir(join(this.#init.directory, name.slice(0, 2)), { recursive: true, mode: 0o700 })
    const file: FileHandle = await open(temporary, 'wx', 0o600)
    try {
      await this.#format.write(file, digest, bytes)
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
    if (this.#size + bytes <= this.#init.maxBytes) return
    const candidates = [...this.#entries].filter(([, entry]) => entry.pins === 0)
    const most = candidates.reduce((sum, [, entry]) => sum + entry.bytes, 0)
    if (this.#size + bytes - most > this.#init.maxBytes) {
      throw new AskeeError(
        'blocks/full',
        `${bytes} bytes do not fit: ${this.#size - most} of ${this.#init.maxBytes} are in use. Raise the storage limit or wait.`,
      )
    }
    candidates.sort(([, a], [, b]) => a.used - b.used)
    for (const [name] of candidates) {
      if (this.#size + bytes <= this.#init.maxBytes) return
      await this.#remove(name)
    }
  }

  async #dropDamaged(name: string, cause: unknown): Promise<void> {
    await this.#remove(name)
    const path = this.#path(name)
    const text = `${path} is damaged and was dropped: ${errorText(cause)}. It is fetched again when it is needed.`
    this.#init.onDamaged?.(new AskeeError('blocks/damaged', text, { path }, { cause }))
  }

  async #remove(name: string): Promise<void> {
    this.#forget(name)
    await unlink(this.#path(name)).catch(() => undefined)
  }

  #hold(name: string, entry: Entry): void {
    this.#entries.set(name, entry)
    this.#size += entry.bytes
  }

  #forget(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#size -= entry.bytes
  }
}

function appendTo(bytes: Uint8Array): (piece: Uint8Array) => void {
  let at = 0
  return (piece) => {
    bytes.set(piece, at)
    at += piece.byteLength
  }
}
