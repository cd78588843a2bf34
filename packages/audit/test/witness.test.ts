import { encode, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createCheckpointing,
  createWitness,
  openCheckpoint,
  signCheckpoint,
  verifyLog,
  WITNESS_MIGRATIONS,
} from '../src/index.ts'
import { WITNESS_PROTOCOL } from '../src/witness/protocol.ts'
import { act, Logs, type OpenLog, tamper } from './support/logs.ts'

let logs = new Logs()
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  logs.close()
  logs = new Logs()
})

const parts = { clock: systemClock, timers: systemTimers, logger: silentLogger }

/** One node that keeps a log and three that watch it, on a mesh in memory. */
async function watched(witnesses = 3) {
  const network = createMemoryMeshNetwork()
  const node = async (identity: Identity) => {
    const mesh = network.node(identity.id, { topics: new Map() })
    await mesh.start()
    stops.push(() => mesh.stop())
    return mesh
  }
  const owner = createIdentity(systemRandom)
  const mesh = await node(owner)
  const watchers = await Promise.all(
    Array.from({ length: witnesses }, async () => {
      const identity = createIdentity(systemRandom)
      const witness = createWitness({
        ...parts,
        identity,
        mesh: await node(identity),
        database: openDatabase(':memory:', WITNESS_MIGRATIONS),
      })
      await witness.start()
      return { witness, id: identity.id }
    }),
  )
  const checkpointing = (held: OpenLog) =>
    createCheckpointing({ ...parts, log: held.log, database: held.database, identity: owner, mesh })
  return { owner, mesh, watchers, checkpointing }
}

describe('witnesses', () => {
  it('AUD-1 cosign what only grew, and keep it', async () => {
    const { watchers, checkpointing, owner } = await watched()
    const held = await logs.open()
    const own = checkpointing(held)
    for (const count of [3, 1, 9]) {
      for (let i = 0; i < count; i++) await held.log.append(act(i))
      own.sign()
      expect(await own.cosign()).toBe(3)
    }
    const latest = own.latest()
    expect(latest?.size).toBe(13)
    expect(latest?.cosignatures.map(({ witness }) => witness).sort()).toEqual(
      watchers.map(({ id }) => id).sort(),
    )
    for (const { witness } of watchers) {
      expect(openCheckpoint(witness.kept(owner.id) as string).root).toEqual(held.log.root())
      expect(witness.contradictions()).toEqual([])
    }
    expect(own.alarms()).toEqual([])
  })

  it('AUD-1 tell the owner that its log was rolled back, and verification finds it with their note', async () => {
    const { checkpointing, watchers, owner } = await watched()
    const held = await logs.open()
    for (let i = 0; i < 9; i++) await held.log.append(act(i))
    const before = checkpointing(held)
    before.sign()
    await before.cosign()
    const old = await logs.open('old')
    for (let i = 0; i < 4; i++) await old.log.append(act(i))
    const after = checkpointing(old)
    after.sign()
    expect(await after.cosign()).toBe(0)
    expect(after.alarms()).toHaveLength(3)
    expect(after.alarms()[0]?.text).toMatch(/had 9 entries and has 4/)
    const note = watchers[0]?.witness.kept(owner.id) as string
    expect(verifyLog({ ...old, origin: owner.id }, [note]).findings).toContainEqual(
      expect.objectContaining({ code: 'audit/cut-off' }),
    )
  })

  it('AUD-1 find a fork although the owner who made it colludes: no proof of growth, no cosignature', async () => {
    const { checkpointing, watchers, owner, mesh } = await watched(1)
    const held = await logs.open()
    for (let i = 0; i < 5; i++) await held.log.append(act(i))
    const own = checkpointing(held)
    own.sign()
    await own.cosign()
    const forged = await logs.open('forged')
    for (let i = 0; i < 8; i++) await forged.log.append(act(i + 100))
    for (const size of [5, 8]) {
      const note = signCheckpoint(owner, { size, root: forged.log.root(size), extensions: [] })
      const proof = forged.log.proveGrowth(5, size)
      const lie = encode({ note, from: 5, proof })
      const { id, witness } = watchers[0]!
      await expect(mesh.request(id, WITNESS_PROTOCOL, lie)).rejects.toMatchObject({
        code: 'mesh/refused',
        details: { code: 'audit/contradiction' },
      })
      expect(witness.contradictions().at(-1)).toMatchObject({ origin: owner.id, received: note })
    }
    expect(openCheckpoint(watchers[0]?.witness.kept(owner.id) as string).root).toEqual(held.log.root())
  })

  it('AUD-1 keep the proof of a fork also when its owner first sends them notes that prove nothing', async () => {
    const { checkpointing, watchers, owner, mesh } = await watched(1)
    const held = await logs.open()
    for (let i = 0; i < 5; i++) await held.log.append(act(i))
    const own = checkpointing(held)
    own.sign()
    await own.cosign()
    const { id, witness } = watchers[0]!
    const send = async (size: number, root: Uint8Array) => {
      const note = signCheckpoint(owner, { size, root, extensions: [] })
      const body = encode({ note, from: 5, proof: [] })
      await expect(mesh.request(id, WITNESS_PROTOCOL, body)).rejects.toThrow()
      return note
    }
    for (let size = 6; size < 12; size++) await send(size, new Uint8Array(32))
    const fork = await send(5, new Uint8Array(32).fill(1))
    expect(witness.contradictions().map(({ received }) => received)).toContain(fork)
    expect(witness.contradictions().length).toBeLessThanOrEqual(4)
  })

  it('AUD-1 refuse a note that is larger than any log needs', async () => {
    const { watchers, mesh, owner } = await watched(1)
    const extensions = Array.from({ length: 10 }, () => 'x'.repeat(500))
    const note = signCheckpoint(owner, { size: 1, root: new Uint8Array(32), extensions })
    const body = encode({ note, from: 0, proof: [] })
    await expect(mesh.request(watchers[0]!.id, WITNESS_PROTOCOL, body)).rejects.toMatchObject({
      details: { code: 'codec/schema' },
    })
  })

  it('AUD-1 a checkpoint that cannot be signed now is signed later, and ends no agent', async () => {
    const { owner, mesh } = await watched(0)
    const held = await logs.open()
    await held.log.append(act(1))
    const ticks: (() => void)[] = []
    let full = true
    const own = createCheckpointing({
      ...parts,
      timers: {
        ...systemTimers,
        every(_period, tick) {
          ticks.push(tick)
          return () => undefined
        },
      },
      log: held.log,
      database: held.database,
      identity: owner,
      mesh,
      extensions: () => {
        if (full) throw new Error('database or disk is full')
        return []
      },
    })
    await own.start()
    for (const tick of ticks) expect(tick).not.toThrow()
    expect(own.latest()).toBeUndefined()
    full = false
    for (const tick of ticks) tick()
    expect(own.latest()?.size).toBe(1)
    await own.stop()
  })

  it('AUD-1 keep their last note when the owner lost its own record of them', async () => {
    const { checkpointing } = await watched(1)
    const held = await logs.open()
    await held.log.append(act(1))
    const own = checkpointing(held)
    own.sign()
    await own.cosign()
    tamper(held.database, 'DELETE FROM audit_cosignatures')
    await held.log.append(act(2))
    own.sign()
    expect(await own.cosign()).toBe(1)
  })

  it('AUD-1 refuse to sign for another, and what is no request', async () => {
    const { watchers, mesh } = await watched(1)
    const stranger = createIdentity(systemRandom)
    const note = signCheckpoint(stranger, { size: 1, root: new Uint8Array(32), extensions: [] })
    const { id } = watchers[0]!
    for (const [body, code] of [
      [encode({ note, from: 0, proof: [] }), 'audit/origin'],
      [encode({ note: 'x', from: 0, proof: [] }), 'audit/checkpoint'],
      [encode({ note, from: -1, proof: [] }), 'codec/schema'],
      [new Uint8Array(10), 'codec/malformed'],
    ] as const) {
      await expect(mesh.request(id, WITNESS_PROTOCOL, body)).rejects.toMatchObject({ details: { code } })
    }
  })
})
