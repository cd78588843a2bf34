import { systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { signCheckpoint } from '../src/index.ts'
import { Logs } from './support/logs.ts'
import { ownLog, Watching } from './support/watching.ts'

let logs = new Logs()
let watching = new Watching()
afterEach(async () => {
  await watching.stop()
  logs.close()
  logs = new Logs()
  watching = new Watching()
})

async function node() {
  const identity = createIdentity(systemRandom)
  const mesh = await watching.node(identity)
  const held = await logs.open()
  const reopen = () => ownLog(held, { identity, mesh })
  const own = await reopen()
  const note = (size: number, log = own.name()) =>
    signCheckpoint(identity, { log, size, root: new Uint8Array(32).fill(1), extensions: [] })
  const rows = () => held.database.prepare('SELECT code FROM audit_alarms').pluck().all()
  const acts = () =>
    Array.from({ length: held.log.size() }, (_, i) => held.log.read(i).entry.action).filter(
      (action) => action === 'audit.alarm',
    )
  return { own, held, note, rows, acts, reopen }
}

const witness = createIdentity(systemRandom).id
/** What was written is an act of the log after this. */
const written = () => new Promise((resolve) => setTimeout(resolve, 0))

describe('an alarm', () => {
  it('STO-1 AUD-1 stands on a disk that does not take it, and is written when it does', async () => {
    const { own, held, note, rows, acts, reopen } = await node()
    held.database.pragma('query_only = 1')
    const told: string[] = []
    own.standing.onAlarm(({ code }) => told.push(code))
    expect(own.standing.judge(note(7), witness)).toBe(false)
    await written()
    own.standing.settle()
    await written()
    expect([told, rows(), acts()]).toEqual([['audit/rolled-back'], [], []])
    expect(() => own.standing.assertGood()).toThrow(expect.objectContaining({ code: 'audit/rolled-back' }))
    expect(() => own.checkpointing.sign()).toThrow(expect.objectContaining({ code: 'audit/rolled-back' }))

    held.database.pragma('query_only = 0')
    own.standing.settle()
    await written()
    own.standing.settle()
    await written()
    expect([rows(), acts()]).toEqual([['audit/rolled-back'], ['audit.alarm']])
    // Once in force: who shows it again raises no second one.
    own.standing.judge(note(7), witness)
    expect(told).toHaveLength(1)
    expect((await reopen()).standing.alarms()).toEqual(own.standing.alarms())
  })

  it('AUD-1 is written by the timer that signs', async () => {
    const { own, held, note, rows } = await node()
    held.database.pragma('query_only = 1')
    own.standing.judge(note(7), witness)
    held.database.pragma('query_only = 0')
    await own.checkpointing.start()
    while (rows().length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await own.checkpointing.stop()
    expect(own.standing.isHeld()).toBe(true)
  })

  it('STO-1 stands when the alarms of before cannot be read', async () => {
    const { held, note, reopen } = await node()
    const own = await reopen()
    held.database.exec('ALTER TABLE audit_alarms RENAME TO away')
    expect(own.standing.judge(note(7), witness)).toBe(false)
    held.database.exec('ALTER TABLE away RENAME TO audit_alarms')
    expect(own.standing.alarms()).toMatchObject([{ code: 'audit/rolled-back', witness }])
    own.standing.settle()
    expect((await reopen()).standing.alarms()).toHaveLength(1)
  })

  it('AUD-1 that a crash kept from the log is written there at the start, once', async () => {
    const { own, held, acts, reopen } = await node()
    held.database
      .prepare('INSERT INTO audit_alarms (log, code, witness, text, note, at) VALUES (?, ?, ?, ?, NULL, 1)')
      .run(own.name(), 'audit/convicted', witness, 'a proof')
    for (let i = 0; i < 2; i++) {
      const again = await reopen()
      again.standing.checkOwn()
      await written()
      expect(again.standing.alarms()).toMatchObject([{ code: 'audit/convicted', witness, text: 'a proof' }])
      expect(acts()).toHaveLength(1)
    }
  })

  it('AUD-1 of each of several logs that are not here is one of its own, and all are accepted at once', async () => {
    const { own, note } = await node()
    const others = ['ab', 'cd', 'ef'].map((hex) => note(3, hex.repeat(16)))
    for (let i = 0; i < 2; i++) for (const other of others) own.standing.judge(other, witness)
    expect(own.standing.alarms()).toHaveLength(3)
    await own.standing.accept('the disk was lost')
    expect(others.map((other) => own.standing.judge(other, witness))).toEqual([true, true, true])
  })
})
