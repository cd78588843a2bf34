import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUDIT_MIGRATIONS } from '@askee/audit'
import { createControlClient } from '@askee/client'
import { systemRandom } from '@askee/core'
import { openDatabase } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import { DEFAULT_INIT, startAgent } from '../src/index.ts'
import { agentPaths } from '../src/paths.ts'
import { openSecrets } from '../src/secrets.ts'

const dataDirectory = mkdtempSync(join(tmpdir(), 'askee-stop-'))
afterAll(() => rmSync(dataDirectory, { recursive: true, force: true }))

const TERMS = {
  purpose: 'tests',
  kinds: ['scientific-compute' as const],
  lifetimeMs: 3_600_000,
  cpuPercentMax: 100,
  ramMbMax: 256,
  storageGbMax: 1,
  bandwidthMbpsMax: 10,
  maxDurationHours: 1,
  minReputation: 0,
}

describe('an agent that stops', () => {
  it('AUD-1 signs its log last: what was done until then stands below the newest checkpoint', async () => {
    const agent = await startAgent({
      ...DEFAULT_INIT,
      dataDirectory,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      network: 'local',
      localDiscovery: 'off',
      executor: 'portable',
      logLevel: 'silent',
    })
    const client = createControlClient(agent.socket)
    // Each goes to the log by itself, one after the other.
    for (let i = 0; i < 5; i++) await client.consentText({ ...TERMS, purpose: `${i}`, requester: agent.node })
    await agent.stop()

    const paths = agentPaths(dataDirectory)
    const { sealing, deviceKey } = await openSecrets({ provider: 'software' }, paths, systemRandom)
    const database = openDatabase(paths.audit, AUDIT_MIGRATIONS, sealing)
    const count = (what: string) => database.prepare(`SELECT ${what}`).pluck().get()
    const entries = count('count(*) FROM audit_entries')
    expect(entries).toBeGreaterThan(5)
    expect(count('max(size) FROM audit_checkpoints')).toBe(entries)
    database.close()
    await deviceKey.close()
  })
})
