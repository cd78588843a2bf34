import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode, type NodeId, systemRandom } from '@askee/core'
import { createIdentity, type Identity } from '@askee/keys'
import { type Database, openDatabase } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import { openCheckpoint, signCheckpoint } from '../src/index.ts'
import { KEPT_LIMITS, KEPT_PROTOCOL } from '../src/witness/protocol.ts'
import { act, Logs } from './support/logs.ts'
import { ownLog, Watching } from './support/watching.ts'

let logs = new Logs()
let watching = new Watching()
afterEach(async () => {
  await watching.stop()
  logs.close()
  logs = new Logs()
  watching = new Watching()
})

const OTHER_LOG = 'ab'.repeat(16)

async function node() {
  const identity = createIdentity(systemRandom)
  const mesh = await watching.node(identity)
  const held = await logs.open()
  return { identity, mesh, held, own: await ownLog(held, { identity, mesh }) }
}

/** A node that answers the question with these notes, whatever was cosigned. */
async function showing(notes: readonly string[] | Uint8Array): Promise<NodeId> {
  const identity = createIdentity(systemRandom)
  const mesh = await watching.node(identity)
  const answer = notes instanceof Uint8Array ? notes : encode({ notes })
  mesh.handle(KEPT_PROTOCOL, KEPT_LIMITS, async () => answer)
  return identity.id
}

const noteOf = (signer: Identity, log: string, size: number): string =>
  signCheckpoint(signer, { log, size, root: new Uint8Array(32).fill(size), extensions: [] })

describe('what witnesses keep', () => {
  it('STO-1 is asked of every node that connects, before anything is done, and holds the node when it is newer', async () => {
    const { identity, own } = await node()
    await own.inquiry.start()
    expect(own.inquiry.isAnswered()).toBe(false)
    expect(own.standing.isHeld()).toBe(false)
    const told: string[] = []
    const alarmed = new Promise<void>((resolve) => {
      own.standing.onAlarm(({ code }) => {
        told.push(code)
        resolve()
      })
    })
    const witness = await showing([noteOf(identity, own.name(), 7)])
    await alarmed
    expect(own.inquiry.isAnswered()).toBe(true)
    expect(own.standing.alarms()).toMatchObject([{ code: 'audit/rolled-back', witness }])
    expect(told).toEqual(['audit/rolled-back'])
    expect(() => own.standing.assertGood()).toThrow(/had 7 entries and has 1/)
    await own.inquiry.stop()
  })

  it('STO-1 finds another beginning of the same length, and a log of which this one says nothing', async () => {
    const { identity, own } = await node()
    await showing([noteOf(identity, own.name(), 1), noteOf(identity, OTHER_LOG, 3)])
    await own.inquiry.askAll()
    expect(own.standing.alarms().map(({ code }) => code)).toEqual(['audit/forked', 'audit/log-anew'])
  })

  it('AUD-1 is on disk: the alarm is there after a restart, and an act of the log', async () => {
    const { identity, mesh, held, own } = await node()
    await showing([noteOf(identity, own.name(), 7)])
    await own.inquiry.askAll()
    await held.log.append(act(1))
    const again = await ownLog(held, { identity, mesh })
    expect(again.standing.alarms()).toEqual(own.standing.alarms())
    expect(held.log.read(1).entry).toMatchObject({ action: 'audit.alarm', outcome: 'failed' })
    // A second root of a size that somebody holds would convict this node by its own signature.
    expect(() => again.checkpointing.sign()).toThrow(expect.objectContaining({ code: 'audit/rolled-back' }))
    expect(await again.checkpointing.cosign()).toBe(0)
  })

  it('AUD-1 is accepted by the owner alone, by a new log that names the ones before', async () => {
    const { identity, own } = await node()
    await expect(own.standing.accept('x')).rejects.toMatchObject({ code: 'audit/nothing-to-accept' })
    const first = own.name()
    await showing([noteOf(identity, first, 7), noteOf(identity, OTHER_LOG, 3)])
    await own.inquiry.askAll()
    await expect(own.standing.accept('two\nlines')).rejects.toMatchObject({ code: 'audit/reason' })
    const beginning = await own.standing.accept('the disk was lost')
    expect(beginning.former).toEqual(
      expect.arrayContaining([
        { log: first, size: 7 },
        { log: OTHER_LOG, size: 3 },
      ]),
    )
    expect(own.standing.alarms()).toEqual([])
    // What was accepted is no alarm again.
    await own.inquiry.askAll()
    expect(own.standing.alarms()).toEqual([])
  })

  it('AUD-1 is not believed of a node that shows another’s log, or nothing that can be read', async () => {
    const { own } = await node()
    const stranger = createIdentity(systemRandom)
    await showing([noteOf(stranger, own.name(), 9)])
    await showing(['x'])
    await showing(new Uint8Array(9))
    await own.inquiry.askAll()
    expect(own.standing.alarms()).toEqual([])
  })

  it('AUD-1 that was cosigned before does not count for a log that begins anew', async () => {
    const { identity, own } = await node()
    await watching.watcher()
    own.checkpointing.sign()
    await own.checkpointing.cosign()
    expect(own.checkpointing.cosigned()?.size).toBe(1)
    await showing([noteOf(identity, OTHER_LOG, 3)])
    await own.inquiry.askAll()
    await own.standing.accept('x')
    own.checkpointing.sign()
    expect(own.checkpointing.cosigned()).toBeUndefined()
    await own.checkpointing.cosign()
    expect(own.checkpointing.cosigned()?.log).toBe(own.name())
  })

  it('STO-1 is no answer while it cannot be compared: the peer is asked again until the disk lets it', async () => {
    const { identity, held, own } = await node()
    // Whatever fails there: nothing of the log can be read.
    held.database.exec('ALTER TABLE audit_nodes RENAME TO away')
    let asked = 0
    const peer = createIdentity(systemRandom)
    const mesh = await watching.node(peer)
    const note = noteOf(identity, own.name(), 1)
    mesh.handle(KEPT_PROTOCOL, KEPT_LIMITS, async () => {
      asked++
      return encode({ notes: [note] })
    })
    await expect(own.inquiry.askAll()).rejects.toThrow()
    await own.inquiry.start()
    while (asked < 6) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(own.inquiry.isAnswered()).toBe(false)
    held.database.exec('ALTER TABLE away RENAME TO audit_nodes')
    while (!own.inquiry.isAnswered()) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(own.standing.alarms()).toMatchObject([{ code: 'audit/forked', witness: peer.id }])
    await own.inquiry.stop()
  })

  it('AUD-1 shows only to a log’s owner, and changes nothing', async () => {
    const { identity, mesh, own } = await node()
    const watcher = await watching.watcher()
    own.checkpointing.sign()
    await own.checkpointing.cosign()
    const { asked, answered, kept: all } = await own.inquiry.askAll()
    expect([asked, answered]).toEqual([1, 1])
    const [kept] = all
    expect(kept?.witness).toBe(watcher.id)
    expect(openCheckpoint(kept?.notes[0] as string)).toMatchObject({ origin: identity.id, log: own.name() })
    const stranger = await watching.node(createIdentity(systemRandom))
    const answer = await stranger.request(watcher.id, KEPT_PROTOCOL, encode({ v: 1 }))
    expect(answer).toEqual(encode({ notes: [] }))
    expect(mesh.peers()).toContain(watcher.id)
  })
})

describe('databases that stand in a checkpoint', () => {
  const directory = mkdtempSync(join(tmpdir(), 'askee-stores-'))
  const key = new Uint8Array(32).fill(3)
  const opened: Database[] = []
  const open = (file: string): Database => {
    const database = openDatabase(join(directory, file), [], { key, name: 'consents.db' })
    opened.push(database)
    return database
  }
  afterEach(() => {
    for (const database of opened.splice(0)) database.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('STO-1 are found when they alone are older, by the own checkpoint and by that of a witness', async () => {
    const identity = createIdentity(systemRandom)
    const mesh = await watching.node(identity)
    await watching.watcher()
    const held = await logs.open()
    const consents = open('consents.db')
    const before = await ownLog(held, { identity, mesh, stores: [consents] })
    before.checkpointing.sign()
    await before.checkpointing.cosign()
    before.standing.checkOwn()
    await before.inquiry.askAll()
    expect(before.standing.alarms()).toEqual([])

    // A copy of before, and one of another history: the log itself is as it was.
    const other = open('older.db')
    const after = await ownLog(held, { identity, mesh, stores: [other] })
    after.standing.checkOwn()
    await after.inquiry.askAll()
    expect(after.standing.alarms()).toMatchObject([
      { code: 'store/rolled-back', witness: null },
      { code: 'store/rolled-back', witness: expect.any(String) },
    ])
  })
})
