import { systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { signCheckpoint, verifyLog } from '../src/index.ts'
import { act, Logs, OLD, type OpenLog, tamper } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})
const owner = createIdentity(systemRandom)

function checkpoint({ log, database }: OpenLog): string {
  const note = signCheckpoint(owner, { log: '', size: log.size(), root: log.root(), extensions: [] })
  database.prepare('INSERT INTO audit_checkpoints VALUES (?, ?, ?)').run(log.size(), 0, note)
  return note
}

const verify = (held: OpenLog, known: readonly string[] = []) =>
  verifyLog({ ...held, origin: owner.id }, known)

/** Twenty entries with signed checkpoints after 8 and 20. */
async function written(name?: string): Promise<OpenLog & { note: string }> {
  const held = await logs.open(name)
  for (let i = 0; i < 8; i++) await held.log.append(act(i))
  checkpoint(held)
  for (let i = 8; i < 20; i++) await held.log.append(act(i, 'other'))
  return { ...held, note: checkpoint(held) }
}

/** Makes entry 12 another one and computes all hashes anew, as a person with every key can. */
async function rewritten(held: OpenLog, name: string): Promise<void> {
  const forged = await logs.open(name)
  for (let i = 0; i < 20; i++) await forged.log.append(act(i === 12 ? 999 : i))
  tamper(held.database, 'DELETE FROM audit_entries; DELETE FROM audit_nodes; DELETE FROM audit_contents')
  for (const table of ['audit_entries', 'audit_nodes']) {
    for (const row of forged.database.prepare(`SELECT * FROM ${table}`).all() as object[]) {
      const values = Object.values(row)
      held.database.prepare(`INSERT INTO ${table} VALUES (${values.map(() => '?')})`).run(...values)
    }
  }
}

describe('contents that are gone', () => {
  const missing = (index: number) =>
    expect.objectContaining({ code: 'audit/content-missing', from: index, to: index })

  it('AUD-2 are covered by the act of their purge alone', async () => {
    const held = await written()
    await held.log.append(act(20, 'third'))
    const [purged] = await held.retention.purge(OLD, 'EU')
    expect(purged).toMatchObject({ count: 21, positions: '0-20' })
    await held.log.append(act(22))
    expect(await verify(held)).toMatchObject({ findings: [], contents: { purged: 21, readable: 2 } })
    tamper(held.database, 'DELETE FROM audit_contents WHERE idx = 22')
    expect(await verify(held)).toMatchObject({
      findings: [missing(22)],
      contents: { purged: 21, readable: 1, lost: 1 },
    })
  })

  it('AUD-2 are not covered by an act whose own content is gone', async () => {
    const held = await written()
    const [purged] = await held.retention.purge(OLD, 'EU')
    tamper(held.database, `DELETE FROM audit_contents WHERE idx = ${purged?.receipt.index}`)
    expect((await verify(held)).findings).toEqual([
      expect.objectContaining({
        code: 'audit/content-missing',
        from: 20,
        text: expect.stringContaining('always stays'),
      }),
      expect.objectContaining({ code: 'audit/content-missing', from: 0, to: 19 }),
    ])
  })

  it('AUD-2 are not covered by an act of a removal that did not succeed', async () => {
    const held = await written()
    held.database.exec(
      "CREATE TRIGGER stuck BEFORE DELETE ON audit_contents BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    await expect(held.retention.purge(OLD, 'EU')).rejects.toThrow('disk full')
    expect((await verify(held)).findings).toEqual([])
    tamper(held.database, 'DELETE FROM audit_contents WHERE idx = 3')
    expect((await verify(held)).findings).toEqual([missing(3)])
  })

  const covering = (positions: string, last: number, count: number) => ({
    action: 'audit.purged' as const,
    subject: 'audit-retention',
    outcome: 'done' as const,
    content: { rule: 'x', count, first: 3, last, positions },
  })

  it('AUD-2 are not covered by an act about what came after it, or that does not add up', async () => {
    const held = await written()
    await held.log.append(covering('3-25', 25, 23))
    await held.log.append(covering('3', 3, 2))
    await held.log.append(covering('3,4', 4, 2))
    tamper(held.database, 'DELETE FROM audit_contents WHERE idx = 3')
    expect((await verify(held)).findings).toEqual([
      ...[20, 21, 22].map((from) => expect.objectContaining({ code: 'audit/removal', from, to: from })),
      missing(3),
    ])
  })

  it('AUD-2 are never covered where they are the chain of custody', async () => {
    const held = await written()
    await held.log.append({ ...act(20), action: 'audit.exported', subject: 'audit-exports' })
    await held.log.append({ ...covering('3,20', 20, 2) })
    tamper(held.database, 'DELETE FROM audit_contents WHERE idx IN (3, 20)')
    expect((await verify(held)).findings).toEqual([missing(20)])
    for (const subject of ['audit-exports', 'audit-retention', 'audit-verifications']) {
      await expect(held.retention.erase(subject, 'asked for')).rejects.toMatchObject({
        code: 'audit/custody',
      })
    }
  })

  it('AUD-2 are covered where something was written about the subject while it was erased', async () => {
    const held = await logs.open()
    await Promise.all(Array.from({ length: 1_100 }, (_, i) => held.log.append(act(i))))
    const erasing = held.retention.erase('consent-1', 'asked for')
    const late = held.log.append(act(1_100))
    const { contents } = await erasing
    expect(contents).toBe(1_102)
    const { index } = await late
    expect(held.log.read(index).event).toBe('erased')
    expect(await verify(held)).toMatchObject({ findings: [], contents: { erased: 1_102, readable: 3 } })
  })
})

describe('verification', () => {
  it('AUD-1 finds nothing in a whole log, with what was forgotten and purged', async () => {
    const held = await written()
    await held.retention.erase('other', 'asked for')
    expect(await held.retention.purge(OLD, 'EU')).toMatchObject([{ count: 8, positions: '0-7' }])
    expect(await verify(held, [held.note])).toEqual({
      entries: 23,
      checkpoints: 2,
      contents: { readable: 2, erased: 13, purged: 8, lost: 0 },
      findings: [],
      found: 0,
    })
  })

  it('AUD-1 finds a log written anew whose checkpoints another key signed', async () => {
    const held = await logs.open()
    for (let i = 0; i < 8; i++) await held.log.append(act(i))
    const stranger = createIdentity(systemRandom)
    const note = signCheckpoint(stranger, { log: '', size: 8, root: held.log.root(), extensions: [] })
    held.database.prepare('INSERT INTO audit_checkpoints VALUES (?, ?, ?)').run(8, 0, note)
    expect((await verify(held)).findings).toMatchObject([{ code: 'audit/checkpoint' }])
  })

  it.each<[string, string, object]>([
    [
      'a changed entry',
      'UPDATE audit_entries SET entry = (SELECT entry FROM audit_entries WHERE idx = 3) WHERE idx = 12',
      { code: 'audit/entry-changed', from: 12, to: 12 },
    ],
    [
      'a removed entry',
      'DELETE FROM audit_entries WHERE idx = 5',
      { code: 'audit/entry-missing', from: 5, to: 5 },
    ],
    [
      'a removed end',
      'DELETE FROM audit_entries WHERE idx > 14',
      { code: 'audit/cut-off', from: 15, to: 19 },
    ],
    [
      'swapped entries',
      `UPDATE audit_entries SET idx = -1 WHERE idx = 9; UPDATE audit_entries SET idx = 9 WHERE idx = 10;
       UPDATE audit_entries SET idx = 10 WHERE idx = -1`,
      { code: 'audit/entry-changed', from: 9, to: 10 },
    ],
    [
      'a changed hash',
      "UPDATE audit_nodes SET hash = x'00' WHERE level = 2 AND idx = 1",
      { code: 'audit/hash-changed', from: 7, to: 7 },
    ],
    [
      'a changed content',
      'UPDATE audit_contents SET sealed = (SELECT sealed FROM audit_contents WHERE idx = 1) WHERE idx = 2',
      { code: 'audit/content-changed', from: 2, to: 2 },
    ],
    [
      'a content that was deleted',
      'DELETE FROM audit_contents WHERE idx = 3',
      { code: 'audit/content-missing', from: 3, to: 3 },
    ],
    [
      'contents that were deleted side by side',
      'DELETE FROM audit_contents WHERE idx IN (3, 5, 6, 7)',
      { code: 'audit/content-missing', from: 5, to: 7 },
    ],
    [
      'contents whose key was destroyed',
      `INSERT INTO vault_erased SELECT kid, 0 FROM vault_keys; DELETE FROM vault_keys`,
      { code: 'audit/content-missing', from: 0, to: 19 },
    ],
    [
      'contents whose key was deleted',
      `DELETE FROM vault_keys WHERE subject = (SELECT subject FROM audit_contents WHERE idx = 0)`,
      { code: 'audit/content-missing', from: 0, to: 7 },
    ],
    [
      'a content that stands under another time',
      'UPDATE audit_contents SET at = 0 WHERE idx = 4',
      { code: 'audit/content-changed', from: 4, to: 4 },
    ],
    [
      'a content of no entry',
      "INSERT INTO audit_contents VALUES (77, 'x', 'a.b', 0, x'00')",
      { code: 'audit/content-foreign', from: 77, to: 77 },
    ],
    [
      'a changed checkpoint',
      "UPDATE audit_checkpoints SET note = replace(note, '20', '21') WHERE size = 20",
      { code: 'audit/checkpoint' },
    ],
  ])('AUD-1 finds and locates %s', async (_, sql, finding) => {
    const held = await written()
    tamper(held.database, sql)
    expect((await verify(held)).findings).toContainEqual(expect.objectContaining(finding))
  })

  it('AUD-1 goes on behind a removed entry: what was changed further on is found as well', async () => {
    const held = await written()
    tamper(
      held.database,
      `DELETE FROM audit_entries WHERE idx = 5; DELETE FROM audit_contents WHERE idx = 15;
       UPDATE audit_checkpoints SET note = 'x' WHERE size = 20`,
    )
    expect((await verify(held)).findings.map(({ code, from }) => [code, from])).toEqual([
      ['audit/entry-missing', 5],
      ['audit/checkpoint', 8],
      ['audit/content-missing', 15],
      ['audit/content-foreign', 5],
    ])
  })

  it('AUD-1 finds a cut off end by the hashes alone, before the first checkpoint', async () => {
    const held = await logs.open()
    for (let i = 0; i < 8; i++) await held.log.append(act(i))
    tamper(held.database, 'DELETE FROM audit_entries WHERE idx > 4')
    expect((await verify(held)).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/cut-off', from: 5, to: 7 }),
    )
  })

  it('AUD-1 tells no more than a hundred findings, and how many there are', async () => {
    const held = await logs.open()
    await Promise.all(Array.from({ length: 300 }, (_, i) => held.log.append(act(i))))
    tamper(held.database, 'DELETE FROM audit_contents WHERE idx % 2 = 0')
    const { findings, found } = await verify(held)
    expect(findings).toHaveLength(100)
    expect(found).toBe(150)
  })

  it('AUD-1 finds a log written anew with all keys, by the checkpoints signed before', async () => {
    const held = await written()
    await rewritten(held, 'forged')
    expect((await verify(held)).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/root-changed', from: 0, to: 7 }),
    )
  })

  it('AUD-1 finds a fork whose own checkpoints were signed anew, by what a witness kept', async () => {
    const held = await written()
    await rewritten(held, 'forged')
    tamper(held.database, 'DELETE FROM audit_checkpoints')
    checkpoint(held)
    expect((await verify(held)).findings.filter(({ code }) => code !== 'audit/content-missing')).toEqual([])
    expect((await verify(held, [held.note])).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/root-changed', to: 19 }),
    )
  })
})
