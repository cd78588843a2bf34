import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUDIT_MIGRATIONS, createAuditLog } from '@askee/audit'
import { type ControlClient, createControlClient } from '@askee/client'
import { textDigest } from '@askee/consent'
import { systemClock, systemRandom, systemTimers } from '@askee/core'
import { createVault, openDatabase } from '@askee/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Agent, DEFAULT_INIT, startAgent } from '../src/index.ts'
import { agentPaths } from '../src/paths.ts'
import { openSecrets } from '../src/secrets.ts'

/** Some hundred turns of the event loop for whoever reads them all. */
const ENTRIES = 3_000
/** What is asked in between needs a few turns; once in so many times it may need more than all that the long work has. */
const ATTEMPTS = 5

const dataDirectory = mkdtempSync(join(tmpdir(), 'askee-long-log-'))
let agent: Agent
let client: ControlClient

/** A log as it is after months, in place before the agent starts. */
async function fillLog(): Promise<void> {
  const paths = agentPaths(dataDirectory)
  const secrets = await openSecrets({ provider: 'software' }, paths, systemRandom)
  const parts = { clock: systemClock, random: systemRandom, timers: systemTimers }
  const database = openDatabase(paths.audit, AUDIT_MIGRATIONS, secrets.sealing)
  const vault = await createVault({ ...parts, database, deviceKey: secrets.vaultKey.wrapping })
  const log = createAuditLog({ ...parts, database, vault }, { subjectKey: secrets.subjectKey })
  await Promise.all(
    Array.from({ length: ENTRIES }, (_, i) =>
      log.append({ action: 'consent.used', subject: `consent-${i % 9}`, outcome: 'done', content: { i } }),
    ),
  )
  vault.close()
  database.close()
  await secrets.deviceKey.close()
}

async function granted(): Promise<string> {
  const { node } = await client.status()
  const terms = {
    requester: node,
    purpose: 'a test',
    kinds: ['scientific-compute' as const],
    lifetimeMs: 3_600_000,
    cpuPercentMax: 100,
    ramMbMax: 512,
    storageGbMax: 1,
    bandwidthMbpsMax: 1000,
    maxDurationHours: 1,
    minReputation: 0,
  }
  const { id } = await client.grant({ ...terms, textDigest: textDigest(await client.consentText(terms)) })
  return id
}

beforeAll(async () => {
  await fillLog()
  agent = await startAgent({
    ...DEFAULT_INIT,
    dataDirectory,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    network: 'local',
    localDiscovery: 'off',
    logLevel: 'silent',
  })
  client = createControlClient(agent.socket)
}, 120_000)
afterAll(async () => {
  await agent?.stop()
  rmSync(dataDirectory, { recursive: true, force: true })
})

describe('an agent with a long log', () => {
  // Agent and client share one event loop here: what holds it until the end is answered first.
  it.each<[string, () => Promise<unknown>]>([
    ['verifies it', () => client.verifyAudit()],
    ['checks it against rules', () => client.auditCompliance({ profiles: ['hipaa'], region: 'EU' })],
    ['exports it', () => client.exportAudit({ reason: 'a test' })],
  ])(
    'CON-5 answers and revokes while it %s',
    async (_, work) => {
      const inBetween = async (ask: () => Promise<unknown>): Promise<boolean> => {
        let isOver = false
        const working = work().then(() => {
          isOver = true
        })
        await ask()
        const answeredBefore = !isOver
        await working
        return answeredBefore
      }
      let answered = false
      let revoked = false
      for (let attempt = 0; attempt < ATTEMPTS && !(answered && revoked); attempt++) {
        const consent = await granted()
        answered ||= await inBetween(() => client.status())
        revoked ||= await inBetween(() => client.revoke(consent, 'a test'))
      }
      expect({ answered, revoked }).toEqual({ answered: true, revoked: true })
    },
    120_000,
  )

  it('STO-2 stops in the middle of a verification', async () => {
    const working = client.verifyAudit().then(
      () => 'answered',
      () => 'cut off',
    )
    await client.status()
    await agent.stop()
    expect(await working).toBe('cut off')
  }, 60_000)
})
