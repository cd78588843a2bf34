import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { encode, systemRandom, systemTimers } from '@askee/core'
import { createIdentity, type Identity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import {
  cosign,
  createCheckpointing,
  openCheckpoint,
  signCheckpoint,
  verifyLog,
  WITNESS_MIGRATIONS,
} from '../src/index.ts'
import { EMPTY_ROOT } from '../src/merkle.ts'
import { signClaim } from '../src/witness/claim.ts'
import { WITNESS_PROTOCOL } from '../src/witness/protocol.ts'
import { act, Logs, type OpenLog, tamper } from './support/logs.ts'
import { ownLog, parts, show, Watching } from './support/watching.ts'

let logs = new Logs()
let watching = new Watching()
afterEach(async () => {
  await watching.stop()
  logs.close()
  logs = new Logs()
  watching = new Watching()
})

/** One node that keeps a log and some that watch it, on a mesh in memory. */
async function watched(witnesses = 3) {
  const owner = createIdentity(systemRandom)
  const mesh = await watching.node(owner)
  const watchers = await Promise.all(Array.from({ length: witnesses }, () => watching.watcher()))
  const own = (held: OpenLog) => ownLog(held, { identity: owner, mesh })
  return { owner, mesh, watchers, own }
}

async function write(held: OpenLog, count: number, from = 0): Promise<void> {
  for (let i = 0; i < count; i++) await held.log.append(act(from + i))
}

const refused = (code: string) => ({ code: 'mesh/refused', details: { code } })

describe('witnesses', () => {
  it('AUD-1 cosign what only grew, and keep it', async () => {
    const { watchers, own, owner } = await watched()
    const held = await logs.open()
    const { checkpointing, standing } = await own(held)
    for (const count of [3, 1, 9]) {
      await write(held, count)
      checkpointing.sign()
      expect(await checkpointing.cosign()).toBe(3)
    }
    const latest = checkpointing.cosigned()
    // One more than was written: the act that says that the log began.
    expect(latest?.size).toBe(14)
    expect(latest?.cosignatures.map(({ witness }) => witness).sort()).toEqual(
      watchers.map(({ id }) => id).sort(),
    )
    for (const { witness, evidence } of watchers) {
      expect(openCheckpoint(witness.kept(owner.id)[0] as string).root).toEqual(held.log.root())
      expect(evidence.list()).toEqual([])
    }
    expect(standing.alarms()).toEqual([])
  })

  it('AUD-1 see nothing of a log that nobody was there for, and the owner of a log is no witness of it', async () => {
    const { own, owner } = await watched(0)
    const held = await logs.open()
    const { checkpointing } = await own(held)
    const { size, text } = checkpointing.sign()
    expect(await checkpointing.cosign()).toBe(0)
    expect(checkpointing.cosigned()).toBeUndefined()
    const line = cosign(owner, text, 1_763_640_000_000)
    held.database.prepare('INSERT INTO audit_cosignatures VALUES (?, ?, ?)').run(size, owner.id, line)
    expect(checkpointing.cosigned()).toBeUndefined()
  })

  it('AUD-1 are not shown a log that was rolled back: its owner finds it by their note and does not convict itself', async () => {
    const { own, watchers, owner } = await watched()
    const held = await logs.open()
    const before = await own(held)
    await write(held, 9)
    before.checkpointing.sign()
    await before.checkpointing.cosign()
    const old = await logs.open('old')
    copyBeginnings(held, old)
    const after = await own(old)
    // As many as were cosigned, so that a witness that were shown it could prove a fork.
    await write(old, 10)
    after.checkpointing.sign()
    expect(await after.checkpointing.cosign()).toBe(0)
    expect(after.standing.alarms()[0]?.code).toBe('audit/forked')
    for (const { evidence } of watchers) expect(evidence.list()).toEqual([])
    const note = watchers[0]?.witness.kept(owner.id)[0] as string
    expect((await verifyLog({ ...old, origin: owner.id }, [note])).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/root-changed' }),
    )
  })

  it('AUD-1 find a fork although its owner colludes, prove it, and cosign that log no more', async () => {
    const { own, watchers, owner, mesh } = await watched(1)
    const held = await logs.open()
    const { checkpointing, name } = await own(held)
    await write(held, 4)
    checkpointing.sign()
    await checkpointing.cosign()
    const { id, evidence, acts, witness } = watchers[0]!
    const forged = await logs.open('forged')
    await write(forged, 8, 100)
    const root = held.log.root()
    const note = signCheckpoint(owner, { log: name(), size: 8, root: forged.log.root(), extensions: [] })
    const proof = forged.log.proveGrowth(5, 8)
    await expect(show(mesh, owner, id, { note, from: 5, root, proof })).rejects.toMatchObject(
      refused('audit/contradiction'),
    )
    expect(evidence.list()).toMatchObject([{ node: owner.id, log: name(), kind: 'false-growth', source: id }])
    expect(acts).toContain(`audit.peer-contradicted ${owner.id}`)
    expect(openCheckpoint(witness.kept(owner.id)[0] as string).root).toEqual(root)

    // The true branch as well: who signs two has none.
    await write(held, 1)
    checkpointing.sign()
    expect(await checkpointing.cosign()).toBe(0)
    expect(openCheckpoint(witness.kept(owner.id)[0] as string).size).toBe(5)
  })

  it('AUD-1 hold nothing against an owner of whom only a spoilt claim is shown', async () => {
    const { own, watchers, owner, mesh } = await watched(1)
    const held = await logs.open()
    const { checkpointing, name } = await own(held)
    checkpointing.sign()
    await checkpointing.cosign()
    const { id, evidence } = watchers[0]!
    const root = held.log.root()
    await write(held, 3)
    const note = signCheckpoint(owner, { log: name(), size: 4, root: held.log.root(), extensions: [] })
    const claim = signClaim(owner, { note, from: 1, root, proof: held.log.proveGrowth(1) })
    claim[claim.byteLength - 70]! ^= 1
    await expect(mesh.request(id, WITNESS_PROTOCOL, encode({ claim, beginning: null }))).rejects.toThrow()
    // Of a size that the witness does not know it says nothing either.
    const other = { note, from: 2, root: new Uint8Array(32), proof: [] }
    await show(mesh, owner, id, other)
    expect(evidence.list()).toEqual([])
    checkpointing.sign()
    expect(await checkpointing.cosign()).toBe(1)
  })

  it('AUD-1 refuse a note that is larger than any log needs', async () => {
    const { watchers, mesh, owner } = await watched(1)
    const extensions = Array.from({ length: 10 }, () => 'x'.repeat(500))
    const note = signCheckpoint(owner, { size: 1, root: new Uint8Array(32), extensions })
    await expect(
      show(mesh, owner, watchers[0]!.id, { note, from: 0, root: EMPTY_ROOT, proof: [] }),
    ).rejects.toMatchObject(refused('audit/claim'))
  })

  it('AUD-1 a checkpoint that cannot be signed now is signed later, and ends no agent', async () => {
    const { owner, mesh } = await watched(0)
    const held = await logs.open()
    const own = await ownLog(held, { identity: owner, mesh })
    const ticks: (() => void)[] = []
    let full = true
    const log = {
      ...held.log,
      size: () => held.log.size(),
      root: (size?: number) => {
        if (full) throw new Error('database or disk is full')
        return held.log.root(size)
      },
    }
    const checkpointing = createCheckpointing({
      ...parts,
      ...own,
      beginnings: own.beginnings,
      log,
      database: held.database,
      identity: owner,
      mesh,
      timers: {
        ...systemTimers,
        every(_period, tick) {
          ticks.push(tick)
          return () => undefined
        },
      },
    })
    await checkpointing.start()
    for (const tick of ticks) expect(tick).not.toThrow()
    expect(checkpointing.latest()).toBeUndefined()
    full = false
    for (const tick of ticks) tick()
    expect(checkpointing.latest()?.size).toBe(1)
    await checkpointing.stop()
  })

  it('AUD-1 keep their last note when the owner lost its own record of them', async () => {
    const { own } = await watched(1)
    const held = await logs.open()
    const { checkpointing } = await own(held)
    checkpointing.sign()
    await checkpointing.cosign()
    tamper(held.database, 'DELETE FROM audit_cosignatures')
    await write(held, 1)
    checkpointing.sign()
    expect(await checkpointing.cosign()).toBe(1)
  })

  it('AUD-1 take what they kept before logs had names into the new table, and let it end aloud', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'askee-witness-')), 'witness.db')
    const { owner, mesh, own } = await watched(0)
    const before = openDatabase(file, WITNESS_MIGRATIONS.slice(0, 1))
    const root = new Uint8Array(32).fill(1)
    const note = signCheckpoint(owner, { size: 7, root, extensions: [] })
    before.prepare('INSERT INTO witnessed VALUES (?, ?, ?, ?, ?)').run(owner.id, 7, root, note, 1)
    before.close()
    const database = openDatabase(file, WITNESS_MIGRATIONS)
    const { witness, acts } = await watching.watcher({}, [owner.id], database)
    expect(witness.kept(owner.id)).toEqual([note])
    const { checkpointing, standing } = await own(await logs.open())
    checkpointing.sign()
    expect(await checkpointing.cosign()).toBe(1)
    expect(standing.alarms()).toEqual([])
    expect(acts).toEqual([`audit.peer-began-anew ${owner.id}`])
    expect(mesh.peers()).toHaveLength(1)
    database.close()
    rmSync(dirname(file), { recursive: true })
  })

  it('AUD-1 refuse to sign for another, and what is no request', async () => {
    const { watchers, mesh, owner } = await watched(1)
    const { id } = watchers[0]!
    const stranger = createIdentity(systemRandom)
    const noteOf = (signer: Identity) =>
      signCheckpoint(signer, { size: 1, root: new Uint8Array(32), extensions: [] })
    const first = { from: 0, root: EMPTY_ROOT, proof: [] }
    const claimed = (signer: Identity, note: string) => ({
      claim: signClaim(signer, { ...first, note }),
      beginning: null,
    })
    for (const [body, code] of [
      [encode(claimed(stranger, noteOf(stranger))), 'audit/origin'],
      [encode(claimed(owner, noteOf(stranger))), 'audit/origin'],
      [encode(claimed(owner, 'x')), 'audit/checkpoint'],
      [encode({ ...claimed(owner, noteOf(owner)), beginning: new Uint8Array(9) }), 'audit/beginning'],
      [encode({ claim: new Uint8Array(9), beginning: null }), 'audit/claim'],
      [encode({ claim: 'x', beginning: null }), 'codec/schema'],
      [new Uint8Array(10), 'codec/malformed'],
    ] as const) {
      await expect(mesh.request(id, WITNESS_PROTOCOL, body)).rejects.toMatchObject({ details: { code } })
    }
  })
})

/** As an older copy of the directory has them. */
function copyBeginnings(from: OpenLog, to: OpenLog): void {
  const rows = from.database.prepare('SELECT statement FROM audit_beginnings').pluck().all()
  for (const row of rows) to.database.prepare('INSERT INTO audit_beginnings (statement) VALUES (?)').run(row)
}
