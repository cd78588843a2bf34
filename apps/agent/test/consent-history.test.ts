import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUDIT_MIGRATIONS, createAuditLog, leafHash, verifyInclusion } from '@askee/audit'
import { CONSENT_MIGRATIONS, createConsentRegistry } from '@askee/consent'
import { grantForTest, TEST_TERMS } from '@askee/consent/testing'
import { silentLogger, systemClock, systemRandom, systemTimers, toHex } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { createVault, openDatabase } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import { agentPaths } from '../src/paths.ts'
import { openSecrets } from '../src/secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-history-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the history of consents', () => {
  it('CON-7 proves of every grant, renewal, refusal, use and revocation that it is in the audit log, as it was', async () => {
    const paths = agentPaths(join(folder, 'data'))
    const shared = { clock: systemClock, random: systemRandom, timers: systemTimers }
    const { sealing, vaultKey, subjectKey, node, owner } = await openSecrets(
      { provider: 'software' },
      paths,
      systemRandom,
    )
    const auditDatabase = openDatabase(paths.audit, AUDIT_MIGRATIONS, sealing)
    const vault = await createVault({ ...shared, database: auditDatabase, deviceKey: vaultKey.wrapping })
    const log = createAuditLog({ ...shared, database: auditDatabase, vault }, { subjectKey })
    const database = openDatabase(paths.consents, CONSENT_MIGRATIONS, sealing)
    const registry = createConsentRegistry(
      { ...shared, database, logger: silentLogger, volunteer: owner, audit: log },
      { subject: node.id },
    )
    const requester = createIdentity(systemRandom).id
    const { id } = grantForTest(registry, requester)
    registry.renew(id)
    registry.used(id, { campaign: 'folding', purpose: 'tests' })
    registry.revoke(id, 'enough')
    const declined = registry.propose(requester, { ...TEST_TERMS, purposes: ['another'] })
    registry.refuse(declined.id, 'no')
    await registry.history.settled()

    // As it is exported: plain data, and what it says of itself can be checked against the log by anybody.
    const exported = JSON.parse(JSON.stringify(registry.history.entries())) as ReturnType<
      typeof registry.history.entries
    >
    expect(new Set(exported.map(({ act }) => act))).toEqual(
      new Set(['invited', 'reviewed', 'granted', 'renewed', 'used', 'revoked', 'refused']),
    )
    const root = log.root()
    for (const { act, consent, at, sequence, outcome, content, receipt } of exported) {
      const { index, leaf } = receipt as NonNullable<typeof receipt>
      const { entry, size, hashes } = log.prove(index)
      expect(toHex(leafHash(entry))).toBe(leaf)
      expect(verifyInclusion(leafHash(entry), index, size, hashes, root)).toBe(true)
      const event = {
        action: `consent.${act}`,
        subject: consent,
        outcome,
        content: { ...content, at, sequence },
      }
      expect(log.read(index).event).toEqual(event)
    }
    database.close()
    auditDatabase.close()
    vault.close()
  })
})
