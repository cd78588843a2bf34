import { type Clock, type NodeId, type Random, toHex } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { type Beginning, type FormerLog, MAX_FORMER, openBeginning, signBeginning } from './beginning.ts'

/** Whose data the acts of the log itself are. */
export const LOG_SUBJECT = 'audit-log'
const NAME_BYTES = 16

export interface BeginningsComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  readonly node: NodeId
  /** The person whose machine it is: only they say that a log begins. */
  readonly owner: Identity
  readonly clock: Clock
  readonly random: Random
}

/** Which logs this node has begun; the entries of all stand in one tree. */
export interface Beginnings {
  /** The log that is written now. */
  current(): Beginning
  /** Whether a log of this name was begun here, or was said to have ended. */
  knows(log: string): boolean
  /**
   * The statement that the current log began, naming a log of before beside the newest ones: for a witness that still watches
   * that one. One statement holds only `MAX_FORMER` names.
   * @param log one that `knows`
   */
  naming(log: string): Uint8Array
  /**
   * A new log from now on. It is an act of the log, on disk before it is told to anybody.
   * @param former what is known of logs of before, beside those begun here
   * @throws AskeeError `audit/reason`
   */
  begin(reason: string, former: readonly FormerLog[]): Promise<Beginning>
}

/** Opens the beginnings of a log; one that has none begins now. */
export async function openBeginnings(components: BeginningsComponents): Promise<Beginnings> {
  const { database, log, owner, node, clock, random } = components
  const rows = database.prepare('SELECT statement FROM audit_beginnings ORDER BY number').pluck()
  const all = (rows.all() as Uint8Array[]).map((bytes) => openBeginning(Uint8Array.from(bytes)))
  const over = new FormerLogs(database)
  // Of statements that were written before the names had a table.
  for (const { former } of all) over.add(former)
  const begin = async (reason: string, more: readonly FormerLog[]): Promise<Beginning> => {
    const name = toHex(random.bytes(NAME_BYTES))
    const former = merge(
      all.map((own) => ({ log: own.log, size: log.size() })),
      more,
    )
    const named = former.slice(-MAX_FORMER)
    const beginning = signBeginning(owner, { node, log: name, at: clock.now(), reason, former: named })
    await log.append({
      action: 'audit.began',
      subject: LOG_SUBJECT,
      outcome: 'done',
      content: { log: name, reason, former: named.map((one) => `${one.log}:${one.size}`).join(' ') },
    })
    database.transaction(() => {
      over.add(former)
      database.prepare('INSERT INTO audit_beginnings (statement) VALUES (?)').run(beginning.bytes)
    })()
    all.push(beginning)
    return beginning
  }
  if (all.length === 0) await begin('the first log of this data directory', [])
  const current = (): Beginning => all.at(-1) as Beginning
  return {
    current,
    knows: (name) => name === '' || all.some((own) => own.log === name) || over.has(name),
    naming(name) {
      const { log: own, at, reason, former, bytes } = current()
      if (name === '' || name === own || former.some((one) => one.log === name)) return bytes
      const named = [...former.slice(1 - MAX_FORMER), { log: name, size: over.sizeOf(name) }]
      return signBeginning(owner, { node, log: own, at, reason, former: named }).bytes
    },
    begin,
  }
}

/** Names of all logs that are over, on disk: as many as the owner ever ended. */
class FormerLogs {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  add(former: readonly FormerLog[]): void {
    const insert = this.#database.prepare('INSERT OR IGNORE INTO audit_former VALUES (?, ?)')
    for (const { log, size } of former) insert.run(log, size)
  }

  has(log: string): boolean {
    return this.#database.prepare('SELECT 1 FROM audit_former WHERE log = ?').get(log) !== undefined
  }

  sizeOf(log: string): number {
    const size = this.#database.prepare('SELECT size FROM audit_former WHERE log = ?').pluck().get(log)
    return (size as number | undefined) ?? 0
  }
}

/** Each log once, with the largest size that is known of it: the newest last, after what others showed the newest own one. */
function merge(own: readonly FormerLog[], more: readonly FormerLog[]): FormerLog[] {
  const sizes = new Map<string, number>()
  for (const { log, size } of [...own, ...more]) {
    const known = sizes.get(log) ?? 0
    sizes.delete(log)
    sizes.set(log, Math.max(size, known))
  }
  // Every witness that kept up watches the log that was written last.
  const last = own.at(-1)
  if (last !== undefined) {
    const size = sizes.get(last.log) ?? last.size
    sizes.delete(last.log)
    sizes.set(last.log, size)
  }
  return [...sizes].map(([log, size]) => ({ log, size }))
}
