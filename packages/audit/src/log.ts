import {
  AskeeError,
  type AuditEvent,
  type AuditReceipt,
  type AuditSink,
  type Clock,
  errorCode,
  type Random,
  toHex,
} from '@askee/core'
import type { Database, Vault } from '@askee/store'
import { checkEvent, composeEntry, type LogEntry, parseContent, parseEntry, SALT_BYTES } from './entry.ts'
import { completedBy, consistencyProof, type Hash, inclusionProof, leafHash, rootOf } from './merkle.ts'
import { StoredSubtrees } from './stored-subtrees.ts'
import { type SubjectTags, subjectTags } from './subject.ts'

/** Acts in one transaction: one synchronisation of the disk for all that came in the meantime. */
const MAX_BATCH = 500

/** Positions given at once, when nobody says how many. */
const MAX_ABOUT = 1_000
/** Damaged keys that are told along with one transaction. */
const MAX_DAMAGE_TOLD = 100
/** The act that says that a key does not open any more, and how many contents that concerns. */
const KEY_DAMAGED = 'audit.key-damaged'
const DAMAGE_SUBJECT = 'audit-damage'

export interface AuditLogComponents {
  /** With the tables of `AUDIT_MIGRATIONS`. */
  readonly database: Database
  /** Over the same database. */
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
}

export interface AuditLogInit {
  /** 32 bytes that make subjects unrecognisable in the index. */
  readonly subjectKey: Uint8Array
}

/** An entry as the owner reads it. */
export interface ReadEntry {
  readonly index: number
  readonly entry: LogEntry
  /** What was written, while its subject is remembered; else why it cannot be read. */
  readonly event: AuditEvent | 'erased' | 'purged'
}

export interface InclusionProof {
  readonly index: number
  readonly size: number
  /** The entry's bytes: hash them with `leafHash`. */
  readonly entry: Uint8Array
  readonly hashes: readonly Hash[]
}

/** The log of one node (AUD-1): entries are added, in order, and never changed. */
export interface AuditLog extends AuditSink {
  /** Entries on disk. */
  size(): number
  /** Root of the first `size` entries, by default of all. @throws AskeeError `audit/range` */
  root(size?: number): Hash
  /** @throws AskeeError `audit/range`, `audit/content`, `store/*` */
  read(index: number): ReadEntry
  /**
   * The bytes that an entry committed to, salt and all, for whoever is to check them: `parseContent` does.
   * @throws AskeeError `audit/range`, `store/*`
   */
  content(index: number): Uint8Array | 'erased' | 'purged'
  /** Positions of what was written about a subject and is still held, oldest first: the newest `limit` before `before`. */
  about(subject: string, limit?: number, before?: number): readonly number[]
  /** @throws AskeeError `audit/range` */
  prove(index: number, size?: number): InclusionProof
  /** That the log of `first` entries is the beginning of that of `second`. @throws AskeeError `audit/range` */
  proveGrowth(first: number, second?: number): readonly Hash[]
}

type Statement = ReturnType<Database['prepare']>

interface Waiting {
  readonly event: AuditEvent
  readonly resolve: (receipt: AuditReceipt) => void
  readonly reject: (error: unknown) => void
}

export function createAuditLog(components: AuditLogComponents, init: AuditLogInit): AuditLog {
  return new DatabaseLog(components, init)
}

class DatabaseLog implements AuditLog {
  readonly #components: AuditLogComponents
  readonly #subtrees: StoredSubtrees
  readonly #tag: SubjectTags
  readonly #insertEntry: Statement
  readonly #insertContent: Statement
  readonly #selectEntry: Statement
  readonly #selectContent: Statement
  #waiting: Waiting[] = []
  #writing = false
  #size: number

  constructor(components: AuditLogComponents, init: AuditLogInit) {
    this.#components = components
    this.#tag = subjectTags(init.subjectKey)
    this.#subtrees = new StoredSubtrees(components.database)
    this.#insertEntry = components.database.prepare('INSERT INTO audit_entries VALUES (?, ?)')
    this.#insertContent = components.database.prepare('INSERT INTO audit_contents VALUES (?, ?, ?, ?, ?)')
    this.#selectEntry = components.database.prepare('SELECT entry FROM audit_entries WHERE idx = ?').pluck()
    this.#selectContent = components.database.prepare(
      'SELECT subject, sealed FROM audit_contents WHERE idx = ?',
    )
    this.#size = components.database.prepare('SELECT count(*) FROM audit_entries').pluck().get() as number
  }

  append(event: AuditEvent): Promise<AuditReceipt> {
    return new Promise((resolve, reject) => {
      checkEvent(event)
      this.#waiting.push({ event, resolve, reject })
      if (this.#writing) return
      this.#writing = true
      // After the current turn, so that all acts of one turn share a transaction.
      queueMicrotask(() => this.#drain())
    })
  }

  #drain(): void {
    this.#writing = false
    while (this.#waiting.length > 0) this.#write(this.#waiting.splice(0, MAX_BATCH))
  }

  #write(batch: readonly Waiting[]): void {
    const { database, vault } = this.#components
    const before = this.#size
    try {
      const tags = batch.map(({ event }) => this.#tag(event.subject))
      const damaged = tags.filter((tag) => !opens(vault, tag))
      const receipts = database.transaction(() => {
        for (const tag of damaged) vault.setAside(tag)
        this.#tellDamage()
        return batch.map(({ event }, i) => this.#add(event, tags[i] as string))
      })()
      this.#subtrees.written()
      for (const [i, { resolve }] of batch.entries()) resolve(receipts[i] as AuditReceipt)
    } catch (error) {
      this.#size = before
      this.#subtrees.written()
      // What is wrong with one act must not keep the others from the log; a disk that fails is wrong with all.
      if (error instanceof AskeeError && batch.length > 1) for (const one of batch) this.#write([one])
      else for (const { reject } of batch) reject(error)
    }
  }

  /** That a key was found damaged, and what cannot be read for it, is itself an act: with it nothing is lost unsaid. */
  #tellDamage(): void {
    const { vault, database } = this.#components
    if (vault.damaged(1).length === 0) return
    const own = this.#tag(DAMAGE_SUBJECT)
    if (!opens(vault, own)) vault.setAside(own)
    const damaged = vault.damaged(MAX_DAMAGE_TOLD)
    const about = database.prepare(
      'SELECT count(*) AS contents, min(idx) AS first, max(idx) AS last FROM audit_contents WHERE subject = ?',
    )
    for (const { kid, subject, at } of damaged) {
      const concerned = about.get(subject) as { contents: number; first: number | null; last: number | null }
      const content = { key: toHex(kid), found: at, ...concerned }
      this.#add({ action: KEY_DAMAGED, subject: DAMAGE_SUBJECT, outcome: 'failed', content }, own)
      vault.told(kid)
    }
  }

  #add(event: AuditEvent, subject: string): AuditReceipt {
    const { vault, clock, random } = this.#components
    const index = this.#size
    const at = clock.now()
    const { entry, content } = composeEntry(event, at, random.bytes(SALT_BYTES))
    const sealed = vault.seal(subject, placeOf(index), content)
    const leaf = leafHash(entry)
    this.#insertEntry.run(index, entry)
    this.#insertContent.run(index, subject, event.action, at, sealed)
    this.#subtrees.add(index, completedBy(index, leaf, this.#subtrees))
    this.#size++
    return { index, leaf: toHex(leaf) }
  }

  size(): number {
    return this.#size
  }

  root(size = this.#size): Hash {
    this.#checkSize(size)
    return rootOf(size, this.#subtrees)
  }

  read(index: number): ReadEntry {
    const entry = parseEntry(this.#entryBytes(index))
    const content = this.content(index)
    return { index, entry, event: typeof content === 'string' ? content : parseContent(content, entry) }
  }

  content(index: number): Uint8Array | 'erased' | 'purged' {
    const { vault } = this.#components
    const row = this.#selectContent.get(index) as { subject: string; sealed: Uint8Array } | undefined
    if (row === undefined) {
      this.#entryBytes(index)
      return 'purged'
    }
    try {
      return vault.open(row.subject, placeOf(index), Uint8Array.from(row.sealed))
    } catch (error) {
      if (errorCode(error) === 'store/erased') return 'erased'
      throw error
    }
  }

  about(subject: string, limit = MAX_ABOUT, before = Number.MAX_SAFE_INTEGER): readonly number[] {
    const newest = this.#components.database
      .prepare('SELECT idx FROM audit_contents WHERE subject = ? AND idx < ? ORDER BY idx DESC LIMIT ?')
      .pluck()
      .all(this.#tag(subject), before, limit) as number[]
    return newest.reverse()
  }

  prove(index: number, size = this.#size): InclusionProof {
    this.#checkSize(size)
    const entry = this.#entryBytes(index)
    return { index, size, entry, hashes: inclusionProof(index, size, this.#subtrees) }
  }

  proveGrowth(first: number, second = this.#size): readonly Hash[] {
    this.#checkSize(second)
    return consistencyProof(first, second, this.#subtrees)
  }

  #entryBytes(index: number): Uint8Array {
    const entry = this.#selectEntry.get(index)
    if (entry !== undefined) return Uint8Array.from(entry as Uint8Array)
    const there = this.#size === 0 ? 'no entry yet' : `the entries 0 to ${this.#size - 1}`
    throw new AskeeError('audit/range', `there is no entry ${index}: the log has ${there}`)
  }

  #checkSize(size: number): void {
    if (Number.isSafeInteger(size) && size >= 0 && size <= this.#size) return
    throw new AskeeError('audit/range', `the log has ${this.#size} entries, received a size of ${size}`)
  }
}

/**
 * Whether a subject's key can be used. Asked outside of a transaction, as the vault keeps a data key at hand only when it was
 * opened where it cannot be undone.
 */
function opens(vault: Vault, tag: string): boolean {
  try {
    vault.has(tag)
    return true
  } catch (error) {
    if (errorCode(error) === 'store/vault-damaged') return false
    throw error
  }
}

/** Where the content of an entry stands in the vault. */
export function placeOf(index: number) {
  return { record: `audit/${index}`, path: 'content', version: 1 }
}
