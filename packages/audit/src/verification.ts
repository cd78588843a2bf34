import { bytesEqual, errorText, type NodeId } from '@askee/core'
import type { Database, Vault } from '@askee/store'
import { type LogEntry, parseEntry } from './entry.ts'
import { Frontier } from './frontier.ts'
import { type Hash, leafHash } from './merkle.ts'
import { createTurns, type TurnComponents, type Turns } from './turns.ts'
import { type ContentCounts, type ContentRow, Contents } from './verify/contents.ts'
import { type Finding, Findings } from './verify/findings.ts'
import { Notes } from './verify/notes.ts'

export type { Finding } from './verify/findings.ts'

export interface Verification {
  readonly entries: number
  readonly checkpoints: number
  readonly contents: ContentCounts
  /** The first hundred. */
  readonly findings: readonly Finding[]
  /** How many there are. */
  readonly found: number
}

export interface VerificationComponents extends TurnComponents {
  readonly database: Database
  readonly vault: Vault
  /** Whose log it is: checkpoints that another signed say nothing of it, and are told. */
  readonly origin: NodeId
}

/** Entries read at once. */
const PAGE = 64
/** Entries of which only bits are looked at, for the price of one unit. */
const LIGHT_ENTRIES = 64

/**
 * Computes the whole log anew: every entry against its stored hash, every root that was signed against the entries, every content
 * against its commitment, and every content that is gone against the acts that say so. What a person who holds the keys
 * changed consistently is found against `known`: checkpoints that others have cosigned and kept.
 *
 * Reads in pages with turns of the event loop between them, and holds four bits an entry; what is written in the meantime is
 * verified along.
 * @param known checkpoints from elsewhere, as notes
 */
export async function verifyLog(
  components: VerificationComponents,
  known: readonly string[] = [],
): Promise<Verification> {
  const { database, vault, origin } = components
  const turns = createTurns(components)
  // Not what is in memory is to be verified, but what stands on disk.
  vault.reread()
  const findings = new Findings()
  const tree = new Frontier()
  const notes = new Notes(database, origin, findings, known)
  const contents = new Contents(vault, findings)
  await readEntries(database, { tree, notes, contents, findings, turns })
  for (let index = 0; index < tree.size; index++) {
    contents.judge(index)
    if (index % LIGHT_ENTRIES === 0) await turns.spend(1)
  }
  await findForeign(database, findings, turns)
  return {
    entries: tree.size,
    checkpoints: notes.checked,
    contents: contents.counts,
    findings: findings.list(),
    found: findings.count,
  }
}

interface Parts {
  readonly tree: Frontier
  readonly notes: Notes
  readonly contents: Contents
  readonly findings: Findings
  readonly turns: Turns
}

interface Row extends ContentRow {
  readonly idx: number
  readonly entry: Uint8Array
}

async function readEntries(database: Database, parts: Parts): Promise<void> {
  const { tree, notes, contents, findings, turns } = parts
  const page = database.prepare(
    `SELECT idx, entry, subject, action, at, sealed
     FROM audit_entries LEFT JOIN audit_contents USING (idx) WHERE idx >= ? ORDER BY idx LIMIT ${PAGE}`,
  )
  const stored = new StoredHashes(database)
  notes.load(0)
  await turns.spend(notes.check(tree))
  for (;;) {
    const rows = page.all(tree.size) as Row[]
    const last = rows.at(-1)
    if (last === undefined) break
    notes.load(last.idx + 1)
    for (const row of rows) {
      if (!(await bridge(row.idx, stored, parts))) {
        notes.end(tree)
        return
      }
      const bytes = Uint8Array.from(row.entry)
      const leaf = leafHash(bytes)
      checkHashes(row.idx, tree.add(leaf), stored, findings)
      const entry = parsed(row.idx, bytes, findings)
      if (entry !== undefined) contents.check(row.idx, entry, row)
      await turns.spend(1 + notes.check(tree))
    }
  }
  // In the same turn as the look that found no more: nothing can have been signed in between.
  notes.end(tree)
  const leaves = stored.leaves()
  if (leaves > tree.size && !findings.has('audit/cut-off')) {
    findings.over(
      'audit/cut-off',
      tree.size,
      leaves - 1,
      `there are hashes of ${leaves} entries, the log has ${tree.size}: its end was cut off`,
    )
  }
}

/**
 * Goes on over entries that are gone with the hashes that were kept of them, so that what follows is verified all the same.
 * @returns false where there is no such hash: from there on nothing can be told
 */
async function bridge(
  to: number,
  stored: StoredHashes,
  { tree, findings, notes, turns }: Parts,
): Promise<boolean> {
  while (tree.size < to) {
    const leaf = stored.at(0, tree.size)
    if (leaf === undefined) {
      findings.over(
        'audit/entry-missing',
        tree.size,
        to - 1,
        `the entries ${tree.size} to ${to - 1} are missing with their hashes: what follows cannot be verified`,
      )
      return false
    }
    findings.at('audit/entry-missing', tree.size, 'it is missing')
    tree.add(leaf)
    await turns.spend(1 + notes.check(tree))
  }
  return true
}

function checkHashes(
  index: number,
  completed: readonly Hash[],
  stored: StoredHashes,
  findings: Findings,
): void {
  const level = completed.findIndex((hash, at) => {
    const there = stored.at(at, Math.floor(index / 2 ** at))
    return there === undefined || !bytesEqual(there, hash)
  })
  if (level === 0) findings.at('audit/entry-changed', index, 'it is not what its hash was made of')
  // Above a changed leaf all hashes differ; only the lowest says where.
  else if (level > 0 && findings.count === 0) {
    findings.at('audit/hash-changed', index, `a hash of level ${level} was changed`)
  }
}

function parsed(index: number, bytes: Uint8Array, findings: Findings): LogEntry | undefined {
  try {
    return parseEntry(bytes)
  } catch (error) {
    findings.at('audit/entry-malformed', index, errorText(error))
    return undefined
  }
}

class StoredHashes {
  readonly #select: ReturnType<Database['prepare']>
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
    this.#select = database.prepare('SELECT hash FROM audit_nodes WHERE level = ? AND idx = ?').pluck()
  }

  at(level: number, index: number): Hash | undefined {
    const hash = this.#select.get(level, index) as Uint8Array | undefined
    return hash === undefined ? undefined : Uint8Array.from(hash)
  }

  /** One more than the last leaf of which there is a hash. */
  leaves(): number {
    const last = this.#database.prepare('SELECT max(idx) FROM audit_nodes WHERE level = 0').pluck().get()
    return 1 + ((last as number | null) ?? -1)
  }
}

/** Contents and entries that belong to nothing. */
async function findForeign(database: Database, findings: Findings, turns: Turns): Promise<void> {
  const negative = database.prepare('SELECT min(idx) FROM audit_entries').pluck().get() as number | null
  if ((negative ?? 0) < 0)
    findings.at('audit/entry-malformed', negative as number, 'no entry has that number')
  const page = database.prepare(
    `SELECT c.idx AS idx, e.idx IS NULL AS isForeign
     FROM audit_contents AS c LEFT JOIN audit_entries AS e ON e.idx = c.idx
     WHERE c.idx > ? ORDER BY c.idx LIMIT ${LIGHT_ENTRIES}`,
  )
  let after = Number.MIN_SAFE_INTEGER
  for (;;) {
    const rows = page.all(after) as { idx: number; isForeign: number }[]
    for (const { idx, isForeign } of rows) {
      if (isForeign === 1) findings.at('audit/content-foreign', idx, 'it is a content of no entry')
      after = idx
    }
    if (rows.length < LIGHT_ENTRIES) return
    await turns.spend(4)
  }
}
