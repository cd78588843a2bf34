import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { AskeeError } from '@askee/core'
import SQLite from 'better-sqlite3-multiple-ciphers'
import { ACCEPT } from '../generations/accept.ts'
import {
  compareFingerprints,
  type Fingerprint,
  hasGenerations,
  prepareGenerations,
  raiseGeneration,
  readFingerprint,
  seenCount,
} from '../generations/fingerprint.ts'
import type { Generations, SeenGeneration } from '../generations/generations.ts'
import { type DatabaseKey, databaseKey, unlock } from './cipher.ts'
import { discardCopy, encryptPlain } from './encrypt-plain.ts'
import { digestOfFile, type FileDigest } from './file-digest.ts'
import { checkHeader, kindOf } from './file-header.ts'
import { asStoreError, checkIntegrity, damaged } from './integrity.ts'
import { committedFrames, hasJournal } from './wal.ts'

export interface Sealing {
  /** The store's key, 32 bytes; the key of this database is derived from it and from the name. */
  readonly key: Uint8Array
  /** Default: the file's name. Another name is another key; no two databases of a store share one. */
  readonly name?: string
  /** Where the newest generation is remembered. Without it an older copy of the file is taken for the newest. */
  readonly generations?: Generations
  /**
   * What to do with a plain database that stands there and was never seen encrypted. It may be anybody's: only an owner who
   * says that it is the own one of before has it encrypted. Default: `refuse`.
   */
  readonly plain?: 'refuse' | 'encrypt'
}

/**
 * A connection to an encrypted file. Opening checks the file before SQLite may use it; closing raises the generation and
 * remembers the file's digest.
 */
export class SealedDatabase extends SQLite {
  readonly #path: string
  readonly #name: string
  readonly #generations: Generations | undefined

  private constructor(path: string, name: string, generations: Generations | undefined) {
    super(path)
    this.#path = path
    this.#name = name
    this.#generations = generations
  }

  /**
   * Opens a file, or makes it.
   * @throws AskeeError `store/wrong-key`, `store/swapped`, `store/damaged`, `store/rolled-back`, `store/not-encrypted`
   */
  static openFile(path: string, sealing: Sealing): SealedDatabase {
    const { generations, name = basename(path) } = sealing
    const key = databaseKey(sealing.key, name)
    const seen = generations?.get(name)
    const judged = judgeFile(path, key, sealing, seen)
    // From here on the file may change, and its digest no longer says anything. One that differs already, or is not known at
    // all, is only looked at, to say what happened to it.
    const refused = judged.digest === 'differs' || (judged.kind === 'sealed' && seen === undefined)
    if (generations !== undefined && !refused && seen?.file !== null) {
      generations.record(name, { ...(seen ?? { epoch: '', generation: 0 }), file: null })
    }
    if (judged.kind === 'plain') encryptPlain(path, key)
    const database = new SealedDatabase(path, name, generations)
    try {
      database.#prepare(key, judged, seen)
      return database
    } catch (error) {
      database.#abandon()
      throw asStoreError(path, error)
    }
  }

  fingerprint(): Fingerprint {
    return readFingerprint(this)
  }

  /**
   * @returns the new fingerprint; what was committed before is at least as new
   * @throws AskeeError `store/in-transaction`
   */
  advance(): Fingerprint {
    if (this.inTransaction) {
      // The generation would be remembered, and a transaction that is rolled back would take it away again.
      throw new AskeeError('store/in-transaction', 'the generation is raised only outside of a transaction')
    }
    const next = raiseGeneration(this, this.#generations?.count())
    this.#record(next, null)
    return next
  }

  /** @throws AskeeError `store/rolled-back`, `store/swapped` */
  checkNotOlder(expected: Fingerprint): void {
    compareFingerprints(this, this.#path, expected)
  }

  /** Closes in order. A connection that is in a transaction leaves the file as a crash would. */
  override close(): this {
    const last = this.open && !this.inTransaction ? this.#settle() : undefined
    super.close()
    // A log that is still there belongs to another connection, which settles the file when it closes.
    if (last !== undefined && !existsSync(`${this.#path}-wal`)) {
      this.#rememberClosed(last)
    }
    return this
  }

  #prepare(key: DatabaseKey, judged: Judged, seen: SeenGeneration | undefined): void {
    unlock(this, key)
    // Sorting must not write rows in clear into files for temporary things.
    this.pragma('temp_store = MEMORY')
    this.pragma('journal_mode = WAL')
    this.pragma('synchronous = FULL')
    const frames = (this.pragma('wal_checkpoint(PASSIVE)') as { log: number }[])[0]?.log ?? 0
    if (judged.frames > 0 && frames < judged.frames) {
      throw damaged(`${this.#path}-wal`, `${judged.frames} frames were committed, ${frames} can be read`)
    }
    if (judged.digest === 'unknown') checkIntegrity(this, this.#path)
    if (hasGenerations(this)) this.#compare(seen)
    else if (seen !== undefined && seen.epoch !== '') throw rolledBack(this.#path, 'has lost its generations')
    if (judged.digest === 'differs') throw damaged(this.#path, 'it is not as it was when it was closed')
    prepareGenerations(this, this.#name)
    this.advance()
  }

  #compare(seen: SeenGeneration | undefined): void {
    if (this.#generations === undefined || seen?.epoch === '') return
    if (seen === undefined) {
      throw rolledBack(
        this.#path,
        'is not in the file of generations, which is gone or older than the database',
      )
    }
    const found = readFingerprint(this)
    if (found.epoch !== seen.epoch) throw rolledBack(this.#path, 'was made anew since it was last seen')
    if (found.generation < seen.generation) {
      throw rolledBack(this.#path, `is at generation ${found.generation}, older than ${seen.generation}`)
    }
    const counted = seenCount(this)
    if (counted > this.#generations.count()) {
      const what = `is older than ${this.#name}: written ${this.#generations.count()} times, not ${counted}`
      throw rolledBack(this.#generations.path, what)
    }
  }

  #settle(): Fingerprint | undefined {
    try {
      const last = raiseGeneration(this, this.#generations?.count())
      const [busy] = this.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[]
      return busy?.busy === 0 ? last : undefined
    } catch {
      // Closing must not fail: a damaged or full disk is found and named at the next opening.
      return undefined
    }
  }

  /** Without the digest the next opening looks at every page instead: closing must not fail on a full disk. */
  #rememberClosed(last: Fingerprint): void {
    if (this.#generations === undefined) return
    try {
      this.#record(last, digestOfFile(this.#path))
    } catch {}
  }

  #abandon(): void {
    super.close()
  }

  #record({ epoch, generation }: Fingerprint, file: FileDigest | null): void {
    this.#generations?.record(this.#name, { epoch, generation, file })
  }
}

interface Judged {
  readonly kind: 'new' | 'plain' | 'sealed'
  /** Frames of the log that must be there. */
  readonly frames: number
  /** Of the whole file against the one remembered at closing. */
  readonly digest: 'same' | 'differs' | 'unknown'
}

/** What can be said of a file without opening it. */
function judgeFile(
  path: string,
  key: DatabaseKey,
  { key: storeKey, plain = 'refuse' }: Sealing,
  seen: SeenGeneration | undefined,
): Judged {
  discardCopy(path)
  const kind = kindOf(path)
  const known = seen !== undefined && seen.epoch !== ''
  if (kind === 'missing' || kind === 'empty') {
    if (known) throw rolledBack(path, `is ${kind}, though generation ${seen.generation} was seen`)
    return { kind: 'new', frames: 0, digest: 'same' }
  }
  if (kind === 'plain') {
    if (known) throw notEncrypted(path, 'is a plain database in the place of an encrypted one')
    if (plain === 'refuse') throw notEncrypted(path, 'is a plain database, which anybody may have written')
    return { kind: 'plain', frames: 0, digest: 'same' }
  }
  // A power failure while the file was made: SQLite takes it back to nothing.
  if (seen?.epoch === '' && hasJournal(path)) return { kind: 'sealed', frames: 0, digest: 'unknown' }
  checkHeader(path, key, storeKey)
  if (seen === undefined || seen.file === null) {
    return { kind: 'sealed', frames: committedFrames(path), digest: 'unknown' }
  }
  if (hasJournal(path)) throw damaged(path, 'it was closed in order, yet a journal stands beside it')
  const { bytes, sha256 } = digestOfFile(path)
  const same = bytes === seen.file.bytes && sha256 === seen.file.sha256
  return { kind: 'sealed', frames: 0, digest: same ? 'same' : 'differs' }
}

function rolledBack(path: string, why: string): AskeeError {
  return new AskeeError(
    'store/rolled-back',
    `${path} ${why}. Put the newest copy back; if you put this one there yourself: ${ACCEPT}`,
    { path },
  )
}

function notEncrypted(path: string, why: string): AskeeError {
  return new AskeeError(
    'store/not-encrypted',
    `${path} ${why}. Put the encrypted one back, or take this one away; if it is your own, of an earlier version: ${ACCEPT}`,
    { path },
  )
}
