import { VirtualTime } from '@askee/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import {
  AUDIT_MIGRATIONS,
  type ComplianceProfile,
  checkCompliance,
  countHolds,
  createRetention,
  PROFILES,
} from '../src/index.ts'
import { Logs, SUBJECT_KEY } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})

async function opened() {
  const clock = new VirtualTime()
  const held = await logs.open('audit', clock)
  const write = (action: `${string}.${string}`, subject: string) =>
    held.log.append({ action, subject, outcome: 'done', content: {} })
  const check = (id: string) =>
    checkCompliance(held, PROFILES.get(id) as ComplianceProfile, { now: clock.now(), region: 'EU' })
  return { ...held, clock, write, check }
}

describe('legal hold', () => {
  it('AUD-2 adds holds up: each ends by its own number, and nothing about the subject goes before the last', async () => {
    const { write, retention, database, log } = await opened()
    await write('consent.granted', 'c1')
    const first = await retention.hold('c1', 'case 12/2026')
    const second = await retention.hold('c1', 'case 13/2026')
    expect(countHolds(database)).toBe(1)
    expect(log.read(second.receipt.index).event).toMatchObject({ content: { hold: second.hold } })
    await expect(retention.release('c2', first.hold, 'another subject')).rejects.toMatchObject({
      code: 'audit/not-held',
    })
    await retention.release('c1', first.hold, 'closed')
    await expect(retention.release('c1', first.hold, 'closed')).rejects.toThrow(/hold 1 .* hold 2/)
    await expect(retention.erase('c1', 'asked')).rejects.toMatchObject({ code: 'audit/legal-hold' })
    await retention.release('c1', second.hold, 'closed')
    await retention.erase('c1', 'asked')
    expect(log.read(0).event).toBe('erased')
  })

  it('AUD-2 a hold that cannot be written takes no other one away', async () => {
    const { write, retention, database } = await opened()
    await write('consent.granted', 'c1')
    // Of a crash: in force, and not named by an act yet.
    const [tag] = database.prepare('SELECT subject FROM audit_contents').pluck().all()
    database.prepare('INSERT INTO audit_legal_holds (subject, held) VALUES (?, -1)').run(tag)
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    await expect(retention.hold('c1', 'case 13/2026')).rejects.toThrow('disk full')
    database.exec('DROP TRIGGER full')
    await expect(retention.erase('c1', 'asked')).rejects.toMatchObject({ code: 'audit/legal-hold' })
    await retention.release('c1', 1, 'put by nobody that is known')
    await expect(retention.erase('c1', 'asked')).resolves.toMatchObject({ contents: 4 })
  })

  it('AUD-2 finds a legal hold that somebody took away past its release, until it is released by its number', async () => {
    const { write, check, retention, database } = await opened()
    await write('consent.granted', 'c1')
    for (const subject of ['c1', 'c2', 'c3']) await retention.hold(subject, 'case 12/2026')
    await retention.release('c2', 2, 'over')
    expect(await check('gdpr')).toEqual([])
    database.exec('DELETE FROM audit_legal_holds WHERE number = 1')
    // With a release that is another hold's, as somebody does it who knows the tables.
    database.exec('UPDATE audit_legal_holds SET released = 4 WHERE number = 3')
    const taken = { code: 'compliance/hold-missing', count: 2, first: 1, last: 3 }
    expect(await check('gdpr')).toMatchObject([taken])
    // One that is put again is another one.
    await retention.hold('c1', 'again')
    expect(await check('gdpr')).toMatchObject([taken])
    await retention.release('c1', 1, 'put again as another')
    await retention.release('c3', 3, 'over')
    expect(await check('gdpr')).toEqual([])
    await expect(retention.erase('c1', 'asked')).rejects.toMatchObject({ code: 'audit/legal-hold' })
  })

  it('AUD-2 holds before the act that says so is on disk, and not at all when it cannot be written', async () => {
    const { clock, database, vault, timers, log } = await opened()
    const holds = () => database.prepare('SELECT held FROM audit_legal_holds').pluck().all()
    let held: unknown[] = []
    const append: typeof log.append = (event) => {
      held = holds()
      return log.append(event)
    }
    const parts = { log: { ...log, append }, clock, database, vault, timers }
    const retention = createRetention(parts, { subjectKey: SUBJECT_KEY })
    const { receipt } = await retention.hold('c1', 'case 12/2026')
    expect([held, holds()]).toEqual([[-1], [receipt.index]])
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    await expect(retention.hold('c2', 'case 13/2026')).rejects.toThrow('disk full')
    expect(holds()).toEqual([receipt.index])
  })

  it('AUD-2 names a hold at the start that a crash kept from its act', async () => {
    const { check, retention, database } = await opened()
    const { hold, receipt } = await retention.hold('c1', 'case 12/2026')
    database.prepare('UPDATE audit_legal_holds SET held = -1').run()
    expect(await check('gdpr')).toEqual([])
    await retention.resume()
    expect(database.prepare('SELECT number, held FROM audit_legal_holds').all()).toEqual([
      { number: hold, held: receipt.index },
    ])
  })

  it('AUD-2 STO-1 keeps the holds of a log of before they had numbers', async () => {
    const { database, retention, write } = await opened()
    for (const subject of ['c1', 'c2']) await write('consent.granted', subject)
    const held = ['c1', 'c2', 'c3']
    for (const subject of held) {
      await retention.hold(subject, 'case 12/2026')
      await retention.hold(subject, 'case 13/2026')
    }
    await retention.release('c3', 5, 'over')
    const tagAt = database.prepare('SELECT subject FROM audit_contents WHERE idx = ?').pluck()
    const [c1, c2, c3] = [2, 4, 6].map((index) => tagAt.get(index))
    // c1 is held as it was, c2 by a crash that came before the act, c3 was released: all its holds ended with that then.
    database.exec('CREATE TABLE audit_holds (subject TEXT PRIMARY KEY, idx INTEGER NOT NULL)')
    database.prepare('INSERT INTO audit_holds VALUES (?, 2), (?, -1)').run(c1, c2)
    database.exec('DROP TABLE audit_legal_holds; DROP TABLE audit_former')
    database.exec((AUDIT_MIGRATIONS.at(-1) as { sql: string }).sql)
    const numbers = (tag: unknown) =>
      database.prepare('SELECT held, released FROM audit_legal_holds WHERE subject = ?').all(tag)
    const open = (held: number) => ({ held, released: null })
    expect(numbers(c1)).toEqual([open(2), open(3)])
    expect(numbers(c2)).toEqual([open(4), open(5)])
    expect(numbers(c3)).toEqual([
      { held: 6, released: 8 },
      { held: 7, released: 8 },
    ])
    await expect(retention.erase('c1', 'asked')).rejects.toMatchObject({ code: 'audit/legal-hold' })
  })
})
