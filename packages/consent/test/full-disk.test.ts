import { type AuditEvent, type AuditSink, silentLogger, systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { openDatabase } from '@askee/store'
import { describe, expect, it } from 'vitest'
import {
  CONSENT_MIGRATIONS,
  type ConsentEntry,
  type ConsentQuestion,
  type ConsentRegistry,
  createConsentRegistry,
} from '../src/index.ts'
import { verifyStatusList } from '../src/revocation/status-list.ts'
import { grantForTest, testRegistry } from '../src/testing/index.ts'
import { codeOf, node, requester, stranger, TERMS, volunteer } from './support.ts'

function setUp() {
  const clock = new VirtualTime()
  const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
  return { clock, ...testRegistry(node.id, { clock, volunteer, database }) }
}

const question: ConsentQuestion = {
  requester: requester.id,
  kind: 'scientific-compute',
  purpose: 'counting primes',
  memoryBytes: 64 * 1_048_576,
  durationMs: 3_600_000,
  requesterReputation: 0,
}

const listOf = (registry: ConsentRegistry) => ({ uri: registry.statusUri, issuer: volunteer.id })
const placeOf = ({ claims }: ConsentEntry): number => claims?.status.index as number

describe('consent registry on a full disk', () => {
  it('CON-5 on a full disk still ends every consent and tells the mesh, and writes it down once there is room', () => {
    const { registry, database, volunteer: owner, clock } = setUp()
    const first = grantForTest(registry, requester.id, TERMS)
    const second = grantForTest(registry, stranger.id, TERMS)
    const ended: string[] = []
    const told: string[] = []
    registry.onEnded(({ tokens }) => ended.push(...tokens))
    registry.onRevoked(({ tokens }) => told.push(...tokens))
    database.exec(
      "CREATE TRIGGER full BEFORE UPDATE ON lives BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
    )
    expect(codeOf(() => registry.revokeAll('stop'))).toBe('consent/not-written')
    expect(ended.sort()).toEqual([first.id, second.id].sort())
    expect(registry.covering(question)).toBeUndefined()
    expect(codeOf(() => registry.revoke(first.id, 'stop'))).toBe('consent/not-written')
    expect(codeOf(() => registry.sweep())).toBe('consent/not-written')
    // No disk is needed for that, and once is enough.
    expect(told.sort()).toEqual([first.id, second.id].sort())
    expect(verifyStatusList(registry.statusList(), listOf(registry), clock.now()).at(placeOf(first))).toBe(
      'invalid',
    )
    database.exec('DROP TRIGGER full')
    expect(registry.revoke(first.id, 'stop').phase).toBe('revoked')
    registry.sweep()
    expect(told).toHaveLength(2)
    const again = testRegistry(node.id, { clock, volunteer: owner, database }).registry
    expect([again.show(first.id).phase, again.show(second.id).phase]).toEqual(['revoked', 'revoked'])
    for (const { id } of [first, second]) {
      expect(registry.history.entries(id).filter(({ act }) => act === 'revoked')).toHaveLength(1)
    }
  })

  it('CON-5 revokes what was suspended while the disk was full, although the disk is full still', () => {
    const { registry, database, volunteer: owner, clock } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    const told: string[] = []
    registry.onRevoked(({ tokens }) => told.push(...tokens))
    database.exec(
      "CREATE TRIGGER full BEFORE UPDATE ON lives BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
    )
    expect(codeOf(() => registry.suspend(id, 'wait'))).toBe('consent/not-written')
    expect(codeOf(() => registry.revoke(id, 'stop'))).toBe('consent/not-written')
    expect(told).toEqual([id])
    expect(registry.show(id).phase).toBe('revoked')
    expect(codeOf(() => registry.resume(id))).not.toBe('')
    database.exec('DROP TRIGGER full')
    registry.sweep()
    expect(told).toEqual([id])
    const again = testRegistry(node.id, { clock, volunteer: owner, database }).registry
    expect(again.show(id).phase).toBe('revoked')
    expect(codeOf(() => again.resume(id))).toBe('consent/phase')
  })

  it('CON-5 everything stays revoked that was suspended while the disk was full', () => {
    const { registry, database, volunteer: owner, clock } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    database.exec(
      "CREATE TRIGGER full BEFORE UPDATE ON lives BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
    )
    expect(codeOf(() => registry.suspend(id, 'wait'))).toBe('consent/not-written')
    database.exec('DROP TRIGGER full')
    registry.revokeAll('stop')
    registry.sweep()
    expect(registry.show(id).phase).toBe('revoked')
    const again = testRegistry(node.id, { clock, volunteer: owner, database }).registry
    expect(again.show(id).phase).toBe('revoked')
  })

  it('CON-7 sends to the audit log what it did not take at first, in order and once', async () => {
    const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
    const taken: AuditEvent[] = []
    let full = true
    const audit: AuditSink = {
      async append(event) {
        if (full) throw new Error('database or disk is full')
        return { index: taken.push(event) - 1, leaf: '' }
      },
    }
    const parts = {
      database,
      clock: new VirtualTime(),
      random: systemRandom,
      logger: silentLogger,
      volunteer,
    }
    const registry = createConsentRegistry({ ...parts, audit }, { subject: node.id })
    const { id } = grantForTest(registry, requester.id, TERMS)
    await registry.history.settled()
    expect(taken).toEqual([])
    full = false
    registry.sweep()
    await new Promise((resolve) => setImmediate(resolve))
    expect(taken).toHaveLength(3)
    registry.revoke(id, 'stop')
    await registry.history.settled()
    const acts = ['consent.invited', 'consent.reviewed', 'consent.granted', 'consent.revoked']
    expect(taken.map(({ action }) => action)).toEqual(acts)
    expect(registry.history.entries().every(({ receipt }) => receipt !== null)).toBe(true)
  })

  it('CON-7 loses no count of uses when the act that would have written it is undone', () => {
    const { registry, database } = setUp()
    const { id } = grantForTest(registry, requester.id, TERMS)
    for (let i = 0; i < 3; i++) registry.used(id, { campaign: 'folding', purpose: 'counting primes' })
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON history WHEN new.act = 'revoked' BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    expect(codeOf(() => registry.revoke(id, 'stop'))).toBe('consent/not-written')
    database.exec('DROP TRIGGER full')
    registry.sweep()
    const uses = registry.history.entries(id).filter(({ act }) => act === 'used')
    expect(uses.reduce((sum, { content }) => sum + Number(content.tasks), 0)).toBe(3)
  })
})
