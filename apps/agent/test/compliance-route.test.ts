import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AUDIT_MIGRATIONS,
  createAuditLog,
  createExporter,
  createRetention,
  signCheckpoint,
  WITNESS_MIGRATIONS,
} from '@askee/audit'
import { testRegistry } from '@askee/consent/testing'
import { silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { createVault, openDatabase } from '@askee/store'
import fastify from 'fastify'
import { expect, it } from 'vitest'
import { createAuditWatch } from '../src/audit-watch.ts'
import { complianceRoutes } from '../src/control/compliance.ts'

const parts = { clock: systemClock, timers: systemTimers, random: systemRandom, logger: silentLogger }
const PLAIN = { wrap: async (secret: Uint8Array) => secret, unwrap: async (wrapped: Uint8Array) => wrapped }

/** The routes over a log of its own, as the agent puts it together. */
async function served(folder: string) {
  const sealing = { key: systemRandom.bytes(32) }
  const database = openDatabase(join(folder, 'audit.db'), AUDIT_MIGRATIONS, sealing)
  const witnessDatabase = openDatabase(join(folder, 'witness.db'), WITNESS_MIGRATIONS, sealing)
  const vault = await createVault({ ...parts, database, deviceKey: PLAIN })
  const subjectKey = new Uint8Array(32)
  const log = createAuditLog({ ...parts, database, vault }, { subjectKey })
  const identity = createIdentity(systemRandom)
  const { registry: consents, volunteer: owner } = testRegistry(identity.id)
  const mesh = createMemoryMeshNetwork().node(identity.id, { topics: new Map() })
  const stores = { database, witnessDatabase, consentsDatabase: witnessDatabase }
  const watch = await createAuditWatch({ ...parts, ...stores, log, consents, identity, owner, mesh })
  const retention = createRetention({ ...parts, log, database, vault }, { subjectKey })
  const exporter = createExporter({ ...parts, ...watch, log, database, identity })
  const server = fastify()
  complianceRoutes(server, {
    clock: systemClock,
    audit: { log, database, vault, watch, exporter, retention, timers: systemTimers },
  })
  const post = async (path: string, payload: object) => {
    const { statusCode, body } = await server.inject({ method: 'POST', url: `/v1/audit/${path}`, payload })
    return { statusCode, body }
  }
  const close = async () => {
    await server.close()
    database.close()
    witnessDatabase.close()
  }
  return { identity, log, watch, post, close }
}

it('AUD-2 AUD-1 removes nothing while an alarm is open, and does when the owner has accepted the state', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'askee-compliance-'))
  const { identity, log, watch, post, close } = await served(folder)
  try {
    const used = await log.append({ action: 'consent.used', subject: 'bob', outcome: 'done', content: {} })
    const { standing, checkpointing } = watch
    const signed = checkpointing.sign()
    const ahead = { log: signed.log, size: signed.size + 5, root: new Uint8Array(32), extensions: [] }
    standing.judge(signCheckpoint(identity, ahead), createIdentity(systemRandom).id)
    for (const [path, payload] of [
      ['erasures', { subject: 'bob', reason: 'asked for' }],
      ['purge', { profile: 'gdpr', region: 'EU' }],
    ] as const) {
      const { body } = await post(path, payload)
      expect(body).toMatch(/nothing removed from the log.*askee audit accept/)
    }
    expect(log.about('bob', 9)).toEqual([used.index])
    expect(log.read(used.index).event).toMatchObject({ subject: 'bob' })
    await standing.accept('it was I')
    expect(await post('erasures', { subject: 'bob', reason: 'asked for' })).toMatchObject({ statusCode: 200 })
    expect(log.read(used.index).event).toBe('erased')
  } finally {
    await close()
    rmSync(folder, { recursive: true, force: true })
  }
})
