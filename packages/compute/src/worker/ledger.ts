import { type CampaignId, digestOf, type Fuel, type NodeId, type Timestamp } from '@askee/core'
import { type Database, type Migration, openDatabase, type Sealing } from '@askee/store'

/** Signed settlements kept; older ones are in the sums alone. */
const KEPT_SETTLEMENTS = 10_000

const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE credit (
        requester TEXT PRIMARY KEY,
        -- decimal, because it may outgrow 64 bits
        fuel TEXT NOT NULL
      ) STRICT;
      -- what requesters signed
      CREATE TABLE settlements (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        digest TEXT NOT NULL UNIQUE,
        requester TEXT NOT NULL,
        campaign TEXT NOT NULL,
        received INTEGER NOT NULL,
        document BLOB NOT NULL
      ) STRICT;
    `,
  },
]

/** A settlement that was taken, and what it brought. */
export interface TakenSettlement {
  readonly requester: NodeId
  readonly campaign: CampaignId
  readonly received: Timestamp
  readonly document: Uint8Array
  readonly credit: Fuel
}

/** What requesters credited this node with, by their signatures; survives restarts. */
export interface Ledger {
  /** Sums by requester. */
  credit(): Map<NodeId, Fuel>
  /** Written when it returns. */
  take(settlement: TakenSettlement): void
  /** The newest signed settlements, newest first. */
  documents(): Uint8Array[]
  close(): void
}

/**
 * @param path file, or `:memory:`
 * @param sealing with it the file is encrypted
 * @throws AskeeError `store/*`
 */
export function openLedger(path: string, sealing?: Sealing): Ledger {
  return ledgerIn(openDatabase(path, MIGRATIONS, sealing))
}

function ledgerIn(database: Database): Ledger {
  const select = database.prepare('SELECT fuel FROM credit WHERE requester = ?').pluck()
  const upsert = database.prepare(
    'INSERT INTO credit (requester, fuel) VALUES (?, ?) ON CONFLICT (requester) DO UPDATE SET fuel = excluded.fuel',
  )
  const insert = database.prepare(
    `INSERT OR IGNORE INTO settlements (digest, requester, campaign, received, document)
     VALUES (?, ?, ?, ?, ?)`,
  )
  const prune = database.prepare(
    `DELETE FROM settlements WHERE sequence <= (SELECT max(sequence) FROM settlements) - ${KEPT_SETTLEMENTS}`,
  )
  return {
    credit() {
      const rows = database.prepare('SELECT requester, fuel FROM credit').all() as {
        requester: NodeId
        fuel: string
      }[]
      return new Map(rows.map(({ requester, fuel }) => [requester, BigInt(fuel) as Fuel]))
    },
    take: database.transaction(({ requester, campaign, received, document, credit }: TakenSettlement) => {
      const before = BigInt((select.get(requester) as string | undefined) ?? '0')
      upsert.run(requester, (before + credit).toString())
      insert.run(digestOf(document), requester, campaign, received, document)
      prune.run()
    }),
    documents() {
      const rows = database.prepare('SELECT document FROM settlements ORDER BY sequence DESC').pluck().all()
      return (rows as Uint8Array[]).map((bytes) => Uint8Array.from(bytes))
    },
    close: () => database.close(),
  }
}
