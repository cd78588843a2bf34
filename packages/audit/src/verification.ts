import { AskeeError, bytesEqual, errorCode, errorText, type NodeId } from '@askee/core'
import type { Database, Vault } from '@askee/store'
import { openCheckpoint, type SignedCheckpoint } from './checkpoint.ts'
import { parseContent, parseEntry } from './entry.ts'
import { placeOf } from './log.ts'
import { completedBy, type Hash, leafHash, rootOf } from './merkle.ts'

/** Something in a log that is not as it was written. */
export interface Finding {
  readonly code:
    | 'audit/entry-changed'
    | 'audit/entry-missing'
    | 'audit/entry-malformed'
    | 'audit/hash-changed'
    | 'audit/root-changed'
    | 'audit/cut-off'
    | 'audit/checkpoint'
    | 'audit/content-changed'
    | 'audit/content-foreign'
  /** First entry concerned, and the last. */
  readonly from: number
  readonly to: number
  readonly text: string
}

export interface Verification {
  readonly entries: number
  readonly checkpoints: number
  readonly contents: { readonly readable: number; readonly erased: number; readonly purged: number }
  readonly findings: readonly Finding[]
}

/** Findings told at most; a log that is changed all over needs no more of them. */
const MAX_FINDINGS = 100

/**
 * Computes the whole log anew: every entry against its stored hash, every root that was signed against the entries, every content
 * against its commitment. What a person who holds the keys changed consistently is found against `known`: checkpoints that
 * others have cosigned and kept.
 * @param components.origin whose log it is: checkpoints that another signed say nothing of it, and are told
 * @param known checkpoints from elsewhere, as notes
 */
export function verifyLog(
  components: { database: Database; vault: Vault; origin: NodeId },
  known: readonly string[] = [],
): Verification {
  const { database, origin } = components
  const tree = recompute(database)
  const findings = [...tree.findings]
  const notes = database.prepare('SELECT note FROM audit_checkpoints ORDER BY size').pluck().all() as string[]
  let trusted = 0
  for (const note of [...notes, ...known].sort((a, b) => sizeIn(a) - sizeIn(b))) {
    const checked = checkRoot(note, origin, tree, trusted)
    if ('size' in checked) trusted = checked.size
    else findings.push(checked)
  }
  const contents = checkContents(components, tree.entries, findings)
  return {
    entries: tree.entries,
    checkpoints: notes.length,
    contents,
    findings: findings.slice(0, MAX_FINDINGS),
  }
}

type Statement = ReturnType<Database['prepare']>

interface Recomputed {
  readonly entries: number
  readonly findings: readonly Finding[]
  readonly at: (level: number, index: number) => Hash
}

function recompute(database: Database): Recomputed {
  const levels: Hash[][] = []
  const findings: Finding[] = []
  const at = (level: number, index: number): Hash => levels[level]?.[index] as Hash
  const stored = database.prepare('SELECT hash FROM audit_nodes WHERE level = ? AND idx = ?').pluck()
  let entries = 0
  for (const row of database.prepare('SELECT idx, entry FROM audit_entries ORDER BY idx').iterate()) {
    const { idx, entry } = row as { idx: number; entry: Uint8Array }
    if (idx !== entries) {
      findings.push({
        code: 'audit/entry-missing',
        from: entries,
        to: idx - 1,
        text: `entries are missing before ${idx}`,
      })
      break
    }
    const hashes = completedBy(idx, leafHash(entry), { at })
    for (const [level, hash] of hashes.entries()) {
      levels[level] ??= []
      levels[level].push(hash)
    }
    const level = hashes.findIndex((hash, at) => !isStored(stored, at, idx, hash))
    if (level === 0) findings.push(single('audit/entry-changed', idx, 'it is not what its hash was made of'))
    // Above a changed leaf all hashes differ; only the lowest says where.
    else if (level > 0 && findings.length === 0) {
      findings.push(single('audit/hash-changed', idx, `a hash of level ${level} was changed`))
    }
    entries++
  }
  return { entries, findings, at }
}

function isStored(select: Statement, level: number, leaf: number, hash: Hash): boolean {
  const stored = select.get(level, Math.floor(leaf / 2 ** level)) as Uint8Array | undefined
  return stored !== undefined && bytesEqual(stored, hash)
}

/** The checkpoint's size when the log still begins with it, else what is wrong since the last that held. */
function checkRoot(
  note: string,
  origin: NodeId,
  tree: Recomputed,
  trusted: number,
): { size: number } | Finding {
  let checkpoint: SignedCheckpoint
  try {
    checkpoint = openCheckpoint(note)
  } catch (error) {
    return { code: 'audit/checkpoint', from: trusted, to: tree.entries, text: errorText(error) }
  }
  const { size, root } = checkpoint
  if (checkpoint.origin !== origin) {
    const text = `a checkpoint of ${size} entries is signed by ${checkpoint.origin}, whose log this is not`
    return { code: 'audit/checkpoint', from: trusted, to: tree.entries, text }
  }
  if (size > tree.entries) {
    const text = `a signed checkpoint says ${size} entries, the log has ${tree.entries}`
    return { code: 'audit/cut-off', from: tree.entries, to: size - 1, text }
  }
  if (bytesEqual(rootOf(size, tree), root)) return { size }
  const text = `the entries after ${trusted} are not those of the checkpoint signed at ${size}`
  return { code: 'audit/root-changed', from: trusted, to: size - 1, text }
}

function checkContents(
  { database, vault }: { database: Database; vault: Vault },
  entries: number,
  findings: Finding[],
): Verification['contents'] {
  const counts = { readable: 0, erased: 0, purged: entries }
  const rows = database
    .prepare(
      'SELECT idx, subject, sealed, entry FROM audit_contents LEFT JOIN audit_entries USING (idx) ORDER BY idx',
    )
    .iterate()
  for (const row of rows) {
    const { idx, subject, sealed, entry } = row as {
      idx: number
      subject: string
      sealed: Uint8Array
      entry: Uint8Array | null
    }
    if (entry === null) {
      findings.push(single('audit/content-foreign', idx, 'it belongs to no entry'))
      continue
    }
    counts.purged--
    try {
      parseContent(
        vault.open(subject, placeOf(idx), Uint8Array.from(sealed)),
        parseEntry(Uint8Array.from(entry)),
      )
      counts.readable++
    } catch (error) {
      if (errorCode(error) === 'store/erased') counts.erased++
      else if (error instanceof AskeeError)
        findings.push(single('audit/content-changed', idx, errorText(error)))
      else throw error
    }
  }
  return counts
}

function single(code: Finding['code'], index: number, text: string): Finding {
  return { code, from: index, to: index, text: `entry ${index}: ${text}` }
}

/** For the order only; what is no checkpoint comes first and is told. */
function sizeIn(note: string): number {
  const size = Number(note.split('\n', 2)[1])
  return Number.isSafeInteger(size) ? size : -1
}
