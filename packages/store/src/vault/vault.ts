import { AskeeError, bytesEqual, type Clock, errorCode, type Random, type Timers, toHex } from '@askee/core'
import { NONCE_BYTES } from '../aead.ts'
import type { Database } from '../database.ts'
import { KEY_BYTES } from '../derive-key.ts'
import { type DamagedKey, DamagedKeys } from './damaged.ts'
import { type Epoch, type KeyWrapping, loadEpochs, makeEpoch, unwrapDataKey, wrapDataKey } from './epochs.ts'
import { type FieldPlace, KID_BYTES, kidOf, openField, sealField } from './field.ts'

/** Data keys kept unwrapped; others are unwrapped again when they are needed (some microseconds). */
const CACHED_KEYS = 1_000
/** Re-wrapped between two turns of the event loop: some milliseconds. */
const REWRAP_BATCH = 250
const MAX_SUBJECT = 255

export interface VaultComponents {
  /** With the tables of `VAULT_MIGRATIONS`. The vault sets `secure_delete` on it. */
  readonly database: Database
  readonly deviceKey: KeyWrapping
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
}

/**
 * Fields that can be forgotten. Each subject has one data key, wrapped by the key of the epoch, which the device key wraps;
 * each field is encrypted under a key from its subject's data key and its own path. The fields themselves stand in the
 * caller's tables, here or elsewhere: without the data key all copies of them are noise.
 */
export interface Vault {
  /** A field for the caller's table. Makes the subject's data key when there is none. */
  seal(subject: string, place: FieldPlace, plain: Uint8Array): Uint8Array
  /**
   * @throws AskeeError `store/erased` when the key was destroyed, `store/unknown-key`, `store/field-refused` when the field was
   * changed or sealed for another subject, record, path or version, `store/field-format`, `store/vault-damaged`
   */
  open(subject: string, place: FieldPlace, sealed: Uint8Array): Uint8Array
  /**
   * Destroys a subject's data key and leaves no old page with it in the files. Not within a transaction.
   * @returns false when there was no key
   * @throws AskeeError `store/in-transaction`, `store/not-settled` when another connection still reads the old page: the key
   * is gone from the table, and the next `erase` or closing clears the file
   */
  erase(subject: string): boolean
  /** Whether the subject has a data key. @throws AskeeError `store/vault-damaged` when it has one that does not open */
  has(subject: string): boolean
  /**
   * Puts the subject's data key away when it does not open, so that a new one is made for what comes; what was sealed with
   * it stays unreadable, as `store/vault-damaged`. Also within a transaction.
   * @returns whether it was put away
   */
  setAside(subject: string): boolean
  /** Keys that were put away, by `setAside` or a rotation, and that nobody called `told` for; the oldest, at most `limit`. */
  damaged(limit: number): readonly DamagedKey[]
  /** That a key is damaged was written down elsewhere. */
  told(kid: Uint8Array): void
  /** Drops the keys in memory, so that each is asked from the disk again. */
  reread(): void
  /**
   * A new epoch key: all data keys are wrapped again, no field is touched, and the old epoch key is destroyed. Keys that do not
   * open are put away.
   */
  rotate(): Promise<{ rewrapped: number }>
  /** Overwrites the keys in memory, as far as the runtime lets it. */
  close(): void
}

/** Ends a rotation that a crash interrupted. Errors of the device key pass through. */
export async function createVault(components: VaultComponents): Promise<Vault> {
  const { database, deviceKey } = components
  database.pragma('secure_delete = ON')
  const epochs = await loadEpochs(database, deviceKey)
  if (epochs.length === 0) epochs.push(await makeEpoch(database, deviceKey, components))
  const vault = new DatabaseVault(components, epochs)
  if (epochs.length > 1) await vault.finishRotation()
  return vault
}

interface DataKey {
  readonly kid: Uint8Array
  readonly key: Uint8Array
}

interface KeyRow {
  readonly kid: Uint8Array
  readonly subject: string
  readonly epoch: string
  readonly wrapped: Uint8Array
}

class DatabaseVault implements Vault {
  readonly #components: VaultComponents
  readonly #epochs: Map<string, Epoch>
  /** By subject, least recently used first. */
  readonly #keys = new Map<string, DataKey>()
  readonly #damaged: DamagedKeys
  readonly #selectKey: ReturnType<Database['prepare']>
  #current: Epoch
  #rotation: Promise<unknown> = Promise.resolve()

  constructor(components: VaultComponents, epochs: readonly Epoch[]) {
    this.#components = components
    this.#damaged = new DamagedKeys(components.database)
    this.#selectKey = components.database.prepare(
      'SELECT kid, subject, epoch, wrapped FROM vault_keys WHERE subject = ?',
    )
    this.#epochs = new Map(epochs.map((epoch) => [epoch.id, epoch]))
    this.#current = epochs.at(-1) as Epoch
  }

  seal(subject: string, place: FieldPlace, plain: Uint8Array): Uint8Array {
    const { key, kid } = this.#find(subject) ?? this.#make(subject)
    return sealField(key, kid, this.#components.random.bytes(NONCE_BYTES), place, plain)
  }

  open(subject: string, place: FieldPlace, sealed: Uint8Array): Uint8Array {
    const kid = kidOf(sealed)
    const held = this.#find(subject)
    if (held === undefined || !bytesEqual(held.kid, kid)) throw this.#explainMissing(kid)
    const plain = openField(held.key, place, sealed)
    if (plain !== undefined) return plain
    throw new AskeeError(
      'store/field-refused',
      `the field ${place.path} of ${place.record}, version ${place.version}, was changed or sealed for another place`,
      { ...place },
    )
  }

  has(subject: string): boolean {
    return this.#find(subject) !== undefined
  }

  setAside(subject: string): boolean {
    this.#forget(subject)
    const row = this.#row(subject)
    if (row === undefined || this.#tryUnwrap(row) !== undefined) return false
    this.#damaged.setAside(row.kid, this.#components.clock.now())
    return true
  }

  damaged(limit: number): readonly DamagedKey[] {
    return this.#damaged.untold(limit)
  }

  told(kid: Uint8Array): void {
    this.#damaged.told(kid)
  }

  reread(): void {
    for (const subject of [...this.#keys.keys()]) this.#forget(subject)
  }

  erase(subject: string): boolean {
    const { database, clock } = this.#components
    if (database.inTransaction) {
      throw new AskeeError('store/in-transaction', 'a key can be destroyed only outside of a transaction')
    }
    this.#forget(subject)
    const erased = database.transaction(() => {
      const kid = database
        .prepare('DELETE FROM vault_keys WHERE subject = ? RETURNING kid')
        .pluck()
        .get(subject)
      // Damaged in part is not destroyed: these go as well.
      const kids = [...(kid === undefined ? [] : [kid]), ...this.#damaged.erase(subject)]
      const insert = database.prepare('INSERT OR IGNORE INTO vault_erased (kid, erased) VALUES (?, ?)')
      for (const gone of kids) insert.run(gone, clock.now())
      return kids.length > 0
    })()
    this.#clearOldPages()
    return erased
  }

  rotate(): Promise<{ rewrapped: number }> {
    const rotation = this.#rotation.then(async () => {
      const epoch = await makeEpoch(this.#components.database, this.#components.deviceKey, this.#components)
      this.#epochs.set(epoch.id, epoch)
      this.#current = epoch
      return { rewrapped: await this.finishRotation() }
    })
    this.#rotation = rotation.catch(() => undefined)
    return rotation
  }

  /** Re-wraps in batches; new keys are of the current epoch meanwhile. */
  async finishRotation(): Promise<number> {
    const { database, timers } = this.#components
    let rewrapped = 0
    for (;;) {
      const batch = this.#rewrapBatch()
      rewrapped += batch
      if (batch === 0) break
      await timers.sleep(0)
    }
    database.prepare('DELETE FROM vault_epochs WHERE id <> ?').run(this.#current.id)
    this.#clearOldPages()
    for (const [id, epoch] of this.#epochs) {
      if (epoch === this.#current) continue
      epoch.key.fill(0)
      this.#epochs.delete(id)
    }
    return rewrapped
  }

  close(): void {
    for (const { key } of this.#epochs.values()) key.fill(0)
    for (const { key } of this.#keys.values()) key.fill(0)
    this.#epochs.clear()
    this.#keys.clear()
  }

  #find(subject: string): DataKey | undefined {
    const cached = this.#keys.get(subject)
    if (cached !== undefined) {
      this.#keys.delete(subject)
      this.#keys.set(subject, cached)
      return cached
    }
    const row = this.#row(subject)
    if (row === undefined) return undefined
    return this.#remember(subject, { kid: Uint8Array.from(row.kid), key: this.#unwrap(row) })
  }

  #row(subject: string): KeyRow | undefined {
    return this.#selectKey.get(subject) as KeyRow | undefined
  }

  #make(subject: string): DataKey {
    if (subject.length === 0 || subject.length > MAX_SUBJECT) {
      throw new AskeeError(
        'store/subject',
        `expected a subject of 1 to ${MAX_SUBJECT} characters, received ${subject.length}`,
      )
    }
    const { database, random } = this.#components
    const made = { kid: random.bytes(KID_BYTES), key: random.bytes(KEY_BYTES) }
    const wrapped = wrapDataKey(this.#current, { subject, kid: made.kid }, made.key, random)
    database
      .prepare('INSERT INTO vault_keys (kid, subject, epoch, wrapped) VALUES (?, ?, ?, ?)')
      .run(made.kid, subject, this.#current.id, wrapped)
    return this.#remember(subject, made)
  }

  #remember(subject: string, key: DataKey): DataKey {
    // Within a caller's transaction the row may yet be undone: a key that is on no disk must not seal anything later.
    if (this.#components.database.inTransaction) return key
    this.#keys.set(subject, key)
    if (this.#keys.size > CACHED_KEYS) this.#forget(this.#keys.keys().next().value as string)
    return key
  }

  #forget(subject: string): void {
    this.#keys.get(subject)?.key.fill(0)
    this.#keys.delete(subject)
  }

  #unwrap(row: KeyRow): Uint8Array {
    const epoch = this.#epochs.get(row.epoch)
    if (epoch === undefined) throw new AskeeError('store/vault-damaged', `the epoch ${row.epoch} is missing`)
    return unwrapDataKey(epoch, row)
  }

  #tryUnwrap(row: KeyRow): Uint8Array | undefined {
    try {
      return this.#unwrap(row)
    } catch (error) {
      if (errorCode(error) === 'store/vault-damaged') return undefined
      throw error
    }
  }

  #rewrapBatch(): number {
    const { database, random, clock } = this.#components
    return database.transaction(() => {
      const rows = database
        .prepare('SELECT kid, subject, epoch, wrapped FROM vault_keys WHERE epoch <> ? LIMIT ?')
        .all(this.#current.id, REWRAP_BATCH) as KeyRow[]
      const update = database.prepare('UPDATE vault_keys SET epoch = ?, wrapped = ? WHERE kid = ?')
      for (const row of rows) {
        const key = this.#tryUnwrap(row)
        if (key === undefined) {
          // One that nobody can open must not keep the old epoch's key alive for all others.
          this.#damaged.setAside(row.kid, clock.now())
          continue
        }
        update.run(this.#current.id, wrapDataKey(this.#current, row, key, random), row.kid)
        key.fill(0)
      }
      return rows.length
    })()
  }

  /** `secure_delete` overwrites what was deleted in the new page; this brings that page over the old one and empties the log. */
  #clearOldPages(): void {
    const [result] = this.#components.database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[]
    if (result?.busy === 0) return
    throw new AskeeError(
      'store/not-settled',
      'the key is destroyed, but another connection still reads: close it and erase again',
    )
  }

  #explainMissing(kid: Uint8Array): AskeeError {
    const { database } = this.#components
    const erased = database.prepare('SELECT erased FROM vault_erased WHERE kid = ?').pluck().get(kid)
    if (erased !== undefined) {
      return new AskeeError('store/erased', 'the key of this field was destroyed: nobody can read it again', {
        erased,
      })
    }
    if (this.#damaged.has(kid)) {
      return new AskeeError(
        'store/vault-damaged',
        `the data key ${toHex(kid)} was damaged and set aside: what was sealed with it cannot be read`,
      )
    }
    if (database.prepare('SELECT 1 FROM vault_keys WHERE kid = ?').get(kid) !== undefined) {
      return new AskeeError('store/field-refused', 'the field was sealed for another subject')
    }
    return new AskeeError('store/unknown-key', `no data key ${toHex(kid)} is known here`)
  }
}
