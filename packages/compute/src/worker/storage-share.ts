import type { ConsentErrorCode, ConsentLimits } from '@askee/consent'
import { AskeeError, type Digest } from '@askee/core'
import type { ConsentStorageComponents, Hold } from './consent-storage.ts'

/** A file of a consent: a block, or code compiled of a module. */
interface Wanted {
  readonly kind: 'block' | 'code'
  readonly token: string
  readonly digest: Digest
  /** On disk. */
  readonly bytes: number
}

interface Piece {
  readonly kind: Wanted['kind']
  readonly digest: Digest
  bytes: number
  /** Who writes, reads or waits to show it; without any it may go. */
  holders: number
  /** It was seen on disk as long as `bytes` says. */
  isKept: boolean
}

/** What one consent has on disk, the longest unused first. */
export class StorageShare {
  readonly #components: ConsentStorageComponents
  /** Any token of the consent. */
  readonly token: string
  readonly #pieces = new Map<string, Piece>()
  /** Bytes of all pieces, and of those that somebody needs now. */
  #used = 0
  #held = 0
  /** Bytes kept free for results on their way. */
  promised = 0
  #lastTurn: Promise<unknown> = Promise.resolve()

  constructor(components: ConsentStorageComponents, token: string) {
    this.#components = components
    this.token = token
  }

  get used(): number {
    return this.#used
  }

  /** What could not make room. */
  get needed(): number {
    return this.#held + this.promised
  }

  /** Whether it was seen on disk, and is counted. */
  keeps(kind: Wanted['kind'], digest: Digest): boolean {
    return this.#pieces.get(keyOf(kind, digest))?.isKept ?? false
  }

  /** Counts what is there under the notes; notes of what is not are taken back. */
  recount(limits: ConsentLimits): Promise<void> {
    return this.#inTurn(async () => {
      const { holdings, executor } = this.#components
      // Another executor may see compiled code that this one does not: its notes stay.
      const isAllSeen = (executor.mostKeptBytes?.() ?? 0) > 0
      for (const digest of holdings.of(limits.tokens)) {
        for (const kind of ['block', 'code'] as const) {
          const bytes = await this.#measure(kind, digest)
          if (bytes > 0) this.#seen(this.#pieceOf(kind, digest), bytes)
        }
        if (isAllSeen && !this.#isCounted(digest)) this.#takeBack(limits, digest)
      }
    })
  }

  /** Comes within a limit that was narrowed, as far as nothing that is needed stands in the way. */
  async trim(limits: ConsentLimits): Promise<void> {
    if (this.#used + this.promised <= limits.storageBytes) return
    await this.#inTurn(() => this.#makeRoom(limits, 0))
  }

  /**
   * Room for a file, and a note of it, before it is written.
   * @param begin called in the same turn before anything is counted
   * @throws AskeeError `consent/storage`
   */
  reserve(limits: ConsentLimits, wanted: Wanted, begin: () => void): Promise<Hold> {
    return this.#inTurn(async () => {
      begin()
      const { kind, digest, token } = wanted
      const key = keyOf(kind, digest)
      const known = this.#pieces.get(key)
      // Blocks are written once; processes that compile the same at once write a file each.
      const more = kind === 'code' ? wanted.bytes : Math.max(0, wanted.bytes - (known?.bytes ?? 0))
      const held = known === undefined || known.holders > 0 ? 0 : known.bytes
      if (this.needed + held + more > limits.storageBytes) throw this.#full(limits, more)
      const piece = this.#pieceOf(kind, digest)
      this.#hold(piece)
      try {
        if (!(await this.#makeRoom(limits, more))) throw this.#full(limits, more)
        this.#components.holdings.note(token, digest)
      } catch (error) {
        await this.#release(limits, piece)
        throw error
      }
      this.#change(piece, piece.bytes + more)
      return this.#holdOn(limits, piece)
    })
  }

  #holdOn(limits: ConsentLimits, piece: Piece): Hold {
    let settled: Promise<void> | undefined
    return {
      settle: () => {
        settled ??= this.#inTurn(() => this.#release(limits, piece))
        return settled
      },
    }
  }

  #hold(piece: Piece): void {
    if (piece.holders++ === 0) this.#held += piece.bytes
    // The last used goes last.
    const key = keyOf(piece.kind, piece.digest)
    this.#pieces.delete(key)
    this.#pieces.set(key, piece)
  }

  async #release(limits: ConsentLimits, piece: Piece): Promise<void> {
    if (piece.holders > 1) {
      piece.holders--
      return
    }
    // First of all: whatever fails now, nobody holds it any more, and as long as it is counted it may make room.
    this.#held -= piece.bytes
    piece.holders = 0
    this.#seen(piece, await this.#measure(piece.kind, piece.digest))
    if (piece.bytes === 0) this.#delete(limits, piece)
  }

  /** False when what nobody needs is too little. */
  async #makeRoom(limits: ConsentLimits, more: number): Promise<boolean> {
    const isEnough = (): boolean => this.#used + this.promised + more <= limits.storageBytes
    for (const piece of [...this.#pieces.values()]) {
      if (isEnough()) return true
      if (piece.holders === 0 && (await this.#erase(limits, piece))) this.#delete(limits, piece)
    }
    return isEnough()
  }

  /** Whether its bytes are not this consent's any more: gone, or here for others alone. */
  async #erase(limits: ConsentLimits, { kind, digest }: Piece): Promise<boolean> {
    const { blocks, executor, holdings } = this.#components
    if (holdings.isHeldElsewhere(limits.tokens, digest)) return true
    try {
      if (kind === 'block') await blocks.remove(digest)
      else await executor.forget?.(digest)
      return true
    } catch {
      // It is still there and counts; another one may make room.
      return false
    }
  }

  #delete(limits: ConsentLimits, piece: Piece): void {
    this.#change(piece, 0)
    this.#pieces.delete(keyOf(piece.kind, piece.digest))
    if (!this.#isCounted(piece.digest)) this.#takeBack(limits, piece.digest)
  }

  /** The note of what is not there. */
  #takeBack(limits: ConsentLimits, digest: Digest): void {
    try {
      this.#components.holdings.drop(limits.tokens, digest)
    } catch {
      // A full disk takes not even that. The note does no harm, and the count at the next start tries again.
    }
  }

  /** The same bytes may be a block and the module that something was compiled of. */
  #isCounted(digest: Digest): boolean {
    return this.#pieces.has(keyOf('block', digest)) || this.#pieces.has(keyOf('code', digest))
  }

  #pieceOf(kind: Wanted['kind'], digest: Digest): Piece {
    const key = keyOf(kind, digest)
    const piece = this.#pieces.get(key) ?? { kind, digest, bytes: 0, holders: 0, isKept: false }
    this.#pieces.set(key, piece)
    return piece
  }

  #seen(piece: Piece, bytes: number): void {
    this.#change(piece, bytes)
    piece.isKept = bytes > 0
  }

  #change(piece: Piece, bytes: number): void {
    this.#used += bytes - piece.bytes
    if (piece.holders > 0) this.#held += bytes - piece.bytes
    piece.bytes = bytes
  }

  async #measure(kind: Wanted['kind'], digest: Digest): Promise<number> {
    const { blocks, executor } = this.#components
    if (kind === 'code') return (await executor.keptBytes?.(digest)) ?? 0
    const bytes = await blocks.sizeOf(digest)
    return bytes === undefined ? 0 : blocks.diskBytes(bytes)
  }

  #full({ consent, storageBytes }: ConsentLimits, more: number): Error {
    const details = { used: this.#used, needed: this.needed, allowed: storageBytes, more }
    return new AskeeError<ConsentErrorCode>(
      'consent/storage',
      `${more} more bytes on disk do not fit into consent ${consent}: of ${storageBytes} that it allows ${this.needed} are needed by its tasks now. Wait until they are done, or grant more.`,
      details,
    )
  }

  /** One at a time: room is counted, freed and taken without anybody in between. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#lastTurn.then(act)
    this.#lastTurn = result.catch(() => undefined)
    return result
  }
}

function keyOf(kind: Wanted['kind'], digest: Digest): string {
  return `${kind}/${digest}`
}
