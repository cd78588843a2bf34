import type { AuditEvent } from '@askee/core'
import { afterEach, describe, expect, it } from 'vitest'
import { leafHash, verifyConsistency, verifyInclusion } from '../src/index.ts'
import { act, Logs, tamper } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})

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

  it('AUD-2 forgets a subject: its content is unreadable, the tree and the others stay', async () => {
    const { log } = await logs.open()
    await log.append(act(1, 'a'))
    await log.append(act(2, 'b'))
    const root = log.root()
    expect(log.about('a')).toEqual([0])
    expect(log.forget('a')).toBe(true)
    expect(log.read(0)).toMatchObject({ event: 'erased', entry: { action: 'consent.used' } })
    expect(log.read(1).event).toEqual(act(2, 'b'))
    expect(log.root()).toEqual(root)
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
