import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AUDIT_MIGRATIONS,
  createAuditLog,
  openEvidence,
  signCheckpoint,
  WITNESS_MIGRATIONS,
} from '@askee/audit'
import { CONSENT_MIGRATIONS, type ConsentQuestion } from '@askee/consent'
import { grantForTest, testRegistry } from '@askee/consent/testing'
import { encode, silentLogger, startAll, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { createVault, openDatabase } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import { type AuditNews, createAuditWatch } from '../src/audit-watch.ts'

const cleanup: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanup.splice(0).reverse()) await clean()
})

const parts = { clock: systemClock, timers: systemTimers, random: systemRandom, logger: silentLogger }
const PLAIN = { wrap: async (secret: Uint8Array) => secret, unwrap: async (wrapped: Uint8Array) => wrapped }
const requester = createIdentity(systemRandom)
const QUESTION: ConsentQuestion = {
  requester: requester.id,
  kind: 'scientific-compute',
  purpose: 'tests',
  memoryBytes: 1024,
  durationMs: 1000,
  requesterReputation: 1,
}

/** A node with databases of its own on a mesh in memory, as the agent puts it together. */
async function nodeOn(network: ReturnType<typeof createMemoryMeshNetwork>) {
  const folder = mkdtempSync(join(tmpdir(), 'askee-watch-'))
  const sealing = { key: systemRandom.bytes(32) }
  const [database, witnessDatabase, consentsDatabase] = [
    openDatabase(join(folder, 'audit.db'), AUDIT_MIGRATIONS, sealing),
    openDatabase(join(folder, 'witness.db'), WITNESS_MIGRATIONS, sealing),
    openDatabase(join(folder, 'consents.db'), CONSENT_MIGRATIONS, sealing),
  ] as const
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }))
  for (const one of [database, witnessDatabase, consentsDatabase]) cleanup.push(() => one.close())
  const vault = await createVault({ ...parts, database, deviceKey: PLAIN })
  const log = createAuditLog({ ...parts, database, vault }, { subjectKey: new Uint8Array(32) })
  const identity = createIdentity(systemRandom)
  const { registry: consents, volunteer: owner } = testRegistry(identity.id, { database: consentsDatabase })
  const mesh = network.node(identity.id, { topics: new Map() })
  const databases = { database, witnessDatabase, consentsDatabase }
  const open = () => createAuditWatch({ ...parts, ...databases, log, consents, identity, owner, mesh })
  const watch = await open()
  const start = async () => cleanup.push(await startAll([mesh, ...watch.parts]))
  return { identity, consents, watch, log, database, start, reopen: open }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('the gate of consent on a node whose state others know', () => {
  it('STO-1 CON-1 stays closed until somebody was asked, and closes when others hold a proof against the log', async () => {
    const network = createMemoryMeshNetwork()
    const [node, peer] = [await nodeOn(network), await nodeOn(network)]
    const { id } = grantForTest(node.consents, requester.id)
    const gate = node.watch.gate(node.consents)
    const closed = expect.objectContaining({ code: 'consent/suspended' })
    const isOpen = () => gate.covering(QUESTION) !== undefined
    await peer.start()
    expect(isOpen()).toBe(false)
    expect(() => gate.check(id, QUESTION)).toThrow(closed)
    await node.start()
    await until(isOpen)
    expect(gate.check(id, QUESTION).resources).toBeDefined()

    const news: AuditNews[] = []
    cleanup.push(node.watch.onNews((one) => news.push(one)))
    const noteOf = (fill: number): string => {
      const { log } = node.watch.beginnings.current()
      return signCheckpoint(node.identity, {
        log,
        size: 3,
        root: new Uint8Array(32).fill(fill),
        extensions: [],
      })
    }
    const proof = openEvidence(encode({ v: 1, kind: 'fork', kept: noteOf(1), received: noteOf(2) }))
    expect(peer.watch.evidence.add(proof, peer.identity.id)).toBe('new')
    await until(() => node.watch.standing.isHeld())
    expect(news.map(({ type }) => type).sort()).toEqual(['audit-alarm', 'audit-evidence'])
    expect(node.watch.standing.alarms()).toMatchObject([
      { code: 'audit/convicted', witness: peer.identity.id },
    ])
    expect(() => gate.check(id, QUESTION)).toThrow(closed)
    expect(isOpen()).toBe(false)
    expect(gate.hasEnded?.(id)).toBe(false)

    // What does not exist is said to, whatever else is wrong.
    expect(() => gate.check('unknown', QUESTION)).toThrow(
      expect.objectContaining({ code: 'consent/unknown' }),
    )
    await node.watch.standing.accept('a stolen key')
    expect(isOpen()).toBe(true)
  })

  it('AUD-1 CON-1 stays closed after a crash that came between the proof and the alarm', async () => {
    const node = await nodeOn(createMemoryMeshNetwork())
    const { log } = node.watch.beginnings.current()
    const noteOf = (fill: number): string =>
      signCheckpoint(node.identity, { log, size: 3, root: new Uint8Array(32).fill(fill), extensions: [] })
    const proof = openEvidence(encode({ v: 1, kind: 'fork', kept: noteOf(1), received: noteOf(2) }))
    // The disk takes the proof and not the alarm, and then the process is gone.
    node.database.pragma('query_only = 1')
    node.watch.evidence.add(proof, requester.id)
    expect(node.watch.standing.isHeld()).toBe(true)
    node.database.pragma('query_only = 0')
    for (let start = 0; start < 2; start++) {
      const { standing } = await node.reopen()
      expect(standing.alarms()).toMatchObject([{ code: 'audit/convicted', witness: requester.id }])
    }
    expect(node.database.prepare('SELECT count(*) FROM audit_alarms').pluck().get()).toBe(1)
    // What the owner accepted is no alarm again at the next start.
    const watch = await node.reopen()
    await watch.standing.accept('a stolen key')
    expect((await node.reopen()).standing.alarms()).toEqual([])
  })
})
