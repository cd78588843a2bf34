import { AskeeError, type AuditEvent, systemRandom, systemTimers } from '@askee/core'
import { createIdentity } from '@askee/keys'
import type { Database } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import { leafHash, verifyConsistency, verifyInclusion, verifyLog } from '../src/index.ts'
import { subjectTags } from '../src/subject.ts'
import { act, Logs, SUBJECT_KEY, tamper } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})

const OWNER = createIdentity(systemRandom).id
const tagOfSubject = (subject: string) => subjectTags(SUBJECT_KEY)(subject)
const tagOf = (database: Database, index: number): string =>
  database.prepare('SELECT subject FROM audit_contents WHERE idx = ?').pluck().get(index) as string

describe('the audit log', () => {
  it('AUD-1 keeps entries in order across a restart, and proves them', async () => {
    const first = await logs.open()
    const receipts = await Promise.all(Array.from({ length: 20 }, (_, i) => first.log.append(act(i))))
    expect(receipts.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    const root = first.log.root()
    first.database.close()
    const { log } = await logs.open()
    expect(log.size()).toBe(20)
    expect(log.root()).toEqual(root)
    await log.append(act(20))
    expect(log.read(3).event).toEqual(act(3))
    const proof = log.prove(3)
    expect(verifyInclusion(leafHash(proof.entry), 3, 21, proof.hashes, log.root())).toBe(true)
    expect(verifyConsistency(20, root, 21, log.root(), log.proveGrowth(20))).toBe(true)
  })

  it('AUD-1 refuses to change or remove what was written', async () => {
    const { log, database } = await logs.open()
    await log.append(act(1))
    for (const sql of [
      "UPDATE audit_entries SET entry = x'00'",
      'DELETE FROM audit_entries',
      'DELETE FROM audit_nodes',
      "INSERT OR REPLACE INTO audit_entries VALUES (0, x'00')",
    ]) {
      expect(() => database.exec(sql)).toThrow(/append-only/)
    }
  })

  it('AUD-1 finds what was written about a subject, the newest first asked for', async () => {
    const { log } = await logs.open()
    await Promise.all(Array.from({ length: 9 }, (_, i) => log.append(act(i, i % 3 === 0 ? 'a' : 'b'))))
    expect(log.about('a')).toEqual([0, 3, 6])
    expect(log.about('b', 3)).toEqual([5, 7, 8])
    expect(log.about('b', 3, 7)).toEqual([2, 4, 5])
    expect(log.about('nobody')).toEqual([])
  })

  it('AUD-1 finds content that was put in the place of another', async () => {
    const { log, database } = await logs.open()
    await log.append(act(1))
    await log.append(act(2))
    tamper(
      database,
      'UPDATE audit_contents SET sealed = (SELECT sealed FROM audit_contents WHERE idx = 0) WHERE idx = 1',
    )
    expect(() => log.read(1)).toThrow(expect.objectContaining({ code: 'store/field-refused' }))
  })

  it.each<[string, Partial<AuditEvent>]>([
    ['an action of free text', { action: 'did. something' as AuditEvent['action'] }],
    ['no subject', { subject: '' }],
    ['nested content', { content: { a: { b: 1 } as unknown as string } }],
    ['too much content', { content: { a: 'x'.repeat(17_000) } }],
  ])('AUD-1 refuses %s, and goes on', async (_, change) => {
    const { log } = await logs.open()
    await expect(log.append({ ...act(1), ...change })).rejects.toMatchObject({ code: 'audit/event' })
    await expect(log.append(act(2))).resolves.toMatchObject({ index: 0 })
  })

  it('AUD-1 isolates a damaged key: the batch is written, the key is named, nothing is lost silently', async () => {
    const { log, database, vault } = await logs.open()
    for (const subject of ['a', 'b', 'b']) await log.append(act(0, subject))
    const [a, b] = ['a', 'b'].map((subject) => tagOf(database, log.about(subject)[0] as number))
    database.prepare('UPDATE vault_keys SET wrapped = zeroblob(60) WHERE subject = ?').run(b)
    vault.reread()

    const receipts = await Promise.all(['a', 'b', 'c', 'b'].map((subject) => log.append(act(1, subject))))
    expect(receipts.map(({ index }) => index)).toEqual([4, 5, 6, 7])
    expect([4, 5, 6, 7].map((index) => log.read(index).event)).toMatchObject(
      ['a', 'b', 'c', 'b'].map((subject) => ({ subject })),
    )
    const { event } = log.read(3)
    expect(event).toMatchObject({
      action: 'audit.key-damaged',
      outcome: 'failed',
      content: { contents: 2, first: 1, last: 2 },
    })
    // What the damaged key had sealed is named when it is read, and found by verification; nobody else's is concerned.
    for (const index of [1, 2]) {
      expect(() => log.read(index)).toThrow(expect.objectContaining({ code: 'store/vault-damaged' }))
    }
    expect(log.read(0).event).toMatchObject({ subject: 'a' })
    const verified = await verifyLog({ database, vault, timers: systemTimers, origin: OWNER })
    expect(verified).toMatchObject({
      findings: [{ code: 'audit/content-changed', from: 1, to: 2 }],
      contents: { readable: 6 },
    })
    expect([tagOf(database, 4), tagOf(database, 5)]).toEqual([a, b])
    await log.append(act(2, 'b'))
    expect(log.size()).toBe(9)
  })

  it('AUD-1 tells of keys that a rotation found damaged, also its own', async () => {
    const { log, database, vault } = await logs.open()
    for (let i = 0; i < 4; i++) await log.append(act(i, `s${i}`))
    database.exec('UPDATE vault_keys SET wrapped = zeroblob(60)')
    vault.reread()
    await vault.rotate()
    await log.append(act(4, 's0'))
    expect([4, 5, 6, 7].map((index) => log.read(index).entry.action)).toEqual(
      Array.from({ length: 4 }, () => 'audit.key-damaged'),
    )
    expect(log.read(8).event).toMatchObject({ subject: 's0' })
    database.exec('UPDATE vault_keys SET wrapped = zeroblob(60)')
    vault.reread()
    await log.append(act(5, 's0'))
    expect(log.read(log.size() - 1).event).toMatchObject({ subject: 's0' })
    expect(vault.damaged(9)).toEqual([])
  })

  it('AUD-1 refuses one act of a batch alone, and writes the others', async () => {
    const { log, vault } = await logs.open()
    const seal = vault.seal.bind(vault)
    const refused = tagOfSubject('refused')
    vault.seal = (subject, place, plain) => {
      if (subject === refused) throw new AskeeError('store/field-place', 'nothing goes there')
      return seal(subject, place, plain)
    }
    const written = await Promise.allSettled(
      ['a', 'refused', 'b'].map((subject) => log.append(act(1, subject))),
    )
    expect(written.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect([log.size(), log.read(1).event]).toMatchObject([2, { subject: 'b' }])
  })

  it('AUD-1 writes nothing of a batch that fails, and goes on', async () => {
    const { log, database } = await logs.open()
    await log.append(act(0))
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON audit_nodes WHEN NEW.idx = 2 BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    await expect(Promise.all([log.append(act(1)), log.append(act(2))])).rejects.toThrow('disk full')
    expect(log.size()).toBe(1)
    database.exec('DROP TRIGGER full')
    await log.append(act(1))
    await log.append(act(2))
    const proof = log.prove(2)
    expect(verifyInclusion(leafHash(proof.entry), 2, 3, proof.hashes, log.root())).toBe(true)
  })
})
