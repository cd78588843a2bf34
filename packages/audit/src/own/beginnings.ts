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
  const begin = async (reason: string, more: readonly FormerLog[]): Promise<Beginning> => {
    const name = toHex(random.bytes(NAME_BYTES))
    const former = merge(
      all.map((own) => ({ log: own.log, size: log.size() })),
      more,
    )
    const beginning = signBeginning(owner, { node, log: name, at: clock.now(), reason, former })
    await log.append({
      action: 'audit.began',
      subject: LOG_SUBJECT,
      outcome: 'done',
      content: { log: name, reason, former: former.map((one) => `${one.log}:${one.size}`).join(' ') },
    })
    database.prepare('INSERT INTO audit_beginnings (statement) VALUES (?)').run(beginning.bytes)
    all.push(beginning)
    return beginning
  }
  if (all.length === 0) await begin('the first log of this data directory', [])
  return {
    current: () => all.at(-1) as Beginning,
    knows: (name) =>
      name === '' || all.some((own) => own.log === name || own.former.some(({ log }) => log === name)),
    begin,
  }
}

/** Each log once, with the largest size that is known of it, the newest last. */
function merge(own: readonly FormerLog[], more: readonly FormerLog[]): FormerLog[] {
  const sizes = new Map<string, number>()
  for (const { log, size } of [...more, ...own]) sizes.set(log, Math.max(size, sizes.get(log) ?? 0))
  return [...sizes].map(([log, size]) => ({ log, size })).slice(-MAX_FORMER)
}
