import type { Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { SignedConsent } from '../token/grant.ts'
import type { ConsentState } from './state.ts'

/** One consent as it stands on disk. */
export interface LifeRow {
  readonly id: string
  readonly state: ConsentState
  /** The manifest as it was signed. */
  readonly manifest: string
  readonly statusIndex: number | null
  readonly changed: Timestamp
}

export interface TokenRow {
  readonly id: string
  readonly life: string
  readonly token: string
  readonly certificate: string
}

export interface EpochRow {
  readonly epoch: number
  /** Signed ahead, for the next raise. */
  readonly certificate: string | null
  /** Of the last raise. */
  readonly told: string | null
}

/** The tables of the registry, and nothing else: no rule of consent is here. */
export interface ConsentRecords {
  lives(): LifeRow[]
  tokens(): TokenRow[]
  saveLife(row: LifeRow): void
  saveToken(life: string, signed: SignedConsent): void
  epoch(): EpochRow
  saveEpoch(row: EpochRow): void
  /** Notes that this database was put back; `ConsentHoldings.areComplete` says what that means. */
  savePutBack(): void
  /** Runs `body` in one transaction: all of it is on disk when this returns, or nothing. */
  atomically(body: () => void): void
}

/** @param database with `CONSENT_MIGRATIONS` */
export function createConsentRecords(database: Database): ConsentRecords {
  const upsert = database.prepare(
    `INSERT INTO lives (id, state, manifest, status_index, changed) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, status_index = excluded.status_index, changed = excluded.changed`,
  )
  const insert = database.prepare('INSERT INTO tokens (id, life, token, certificate) VALUES (?, ?, ?, ?)')
  const upsertEpoch = database.prepare(
    `INSERT INTO own_epoch (one, epoch, certificate, told) VALUES (1, ?, ?, ?)
     ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, certificate = excluded.certificate, told = excluded.told`,
  )
  return {
    lives: () =>
      database
        .prepare(
          'SELECT id, state, manifest, status_index AS statusIndex, changed FROM lives ORDER BY changed, id',
        )
        .all()
        .map((row) => {
          const life = row as Omit<LifeRow, 'state'> & { state: string }
          return { ...life, state: JSON.parse(life.state) as ConsentState }
        }),
    tokens: () => database.prepare('SELECT id, life, token, certificate FROM tokens').all() as TokenRow[],
    saveLife: ({ id, state, manifest, statusIndex, changed }) => {
      upsert.run(id, JSON.stringify(state), manifest, statusIndex, changed)
    },
    saveToken: (life, { claims, token, certificate }) => {
      insert.run(claims.id, life, token, certificate)
    },
    epoch: () =>
      (database.prepare('SELECT epoch, certificate, told FROM own_epoch').get() as EpochRow | undefined) ?? {
        epoch: 0,
        certificate: null,
        told: null,
      },
    saveEpoch: ({ epoch, certificate, told }) => {
      upsertEpoch.run(epoch, certificate, told)
    },
    savePutBack: () => {
      database.prepare('INSERT OR IGNORE INTO put_back (one) VALUES (1)').run()
    },
    atomically: (body) => database.transaction(body)(),
  }
}
