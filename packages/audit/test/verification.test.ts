import { systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { signCheckpoint, verifyLog } from '../src/index.ts'
import { act, Logs, type OpenLog, tamper } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})
const owner = createIdentity(systemRandom)

function checkpoint({ log, database }: OpenLog): string {
  const note = signCheckpoint(owner, { size: log.size(), root: log.root(), extensions: [] })
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

describe('verification', () => {
  it('AUD-1 finds nothing in a whole log, with what was forgotten and purged', async () => {
    const held = await written()
    held.log.forget('other')
    tamper(held.database, 'DELETE FROM audit_contents WHERE idx = 3')
    expect(verify(held, [held.note])).toEqual({
      entries: 20,
      checkpoints: 2,
      contents: { readable: 7, erased: 12, purged: 1 },
      findings: [],
    })
  })

  it('AUD-1 finds a log written anew whose checkpoints another key signed', async () => {
    const held = await logs.open()
    for (let i = 0; i < 8; i++) await held.log.append(act(i))
    const stranger = createIdentity(systemRandom)
    const note = signCheckpoint(stranger, { size: 8, root: held.log.root(), extensions: [] })
    held.database.prepare('INSERT INTO audit_checkpoints VALUES (?, ?, ?)').run(8, 0, note)
    expect(verify(held).findings).toMatchObject([{ code: 'audit/checkpoint' }])
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
      { code: 'audit/entry-changed', from: 9, to: 9 },
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
    expect(verify(held).findings).toContainEqual(expect.objectContaining(finding))
  })

  it('AUD-1 finds a log written anew with all keys, by the checkpoints signed before', async () => {
    const held = await written()
    await rewritten(held, 'forged')
    expect(verify(held).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/root-changed', from: 0, to: 7 }),
    )
  })

  it('AUD-1 finds a fork whose own checkpoints were signed anew, by what a witness kept', async () => {
    const held = await written()
    await rewritten(held, 'forged')
    tamper(held.database, 'DELETE FROM audit_checkpoints')
    checkpoint(held)
    expect(verify(held).findings).toEqual([])
    expect(verify(held, [held.note]).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/root-changed', to: 19 }),
    )
  })
})
