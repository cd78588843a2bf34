/** What tests of other packages need of consents: a registry in memory and grants without a person. */
import { type Clock, type NodeId, type Random, silentLogger, systemClock, systemRandom } from '@askee/core'
import { createIdentity, type Identity } from '@askee/keys'
import { type Database, openDatabase } from '@askee/store'
import { CONSENT_MIGRATIONS } from '../life/migrations.ts'
import { type ConsentEntry, type ConsentRegistry, createConsentRegistry } from '../life/registry.ts'
import type { ConsentTerms } from '../terms.ts'
import { createTableAuditSink } from './table-audit-sink.ts'

export interface TestRegistry {
  readonly registry: ConsentRegistry
  readonly volunteer: Identity
  readonly database: Database
}

/** A registry over a database in memory, with an owner of its own. */
export function testRegistry(
  subject: NodeId,
  given: { clock?: Clock; random?: Random; volunteer?: Identity; database?: Database } = {},
): TestRegistry {
  const { clock = systemClock, random = systemRandom } = given
  const volunteer = given.volunteer ?? createIdentity(random)
  const database = given.database ?? openDatabase(':memory:', CONSENT_MIGRATIONS)
  const audit = createTableAuditSink(database)
  const registry = createConsentRegistry(
    { database, clock, random, logger: silentLogger, volunteer, audit },
    { subject },
  )
  return { registry, volunteer, database }
}

/** Terms that allow an hour of everything but data about persons. */
export const TEST_TERMS: ConsentTerms = {
  permissions: {
    resources: { cpuPercentMax: 50, ramMbMax: 256, storageGbMax: 1, bandwidthMbpsMax: 10 },
    tasks: { kinds: ['scientific-compute'], minReputation: 0, maxDurationHours: 1 },
    monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
  },
  purposes: ['tests'],
  data: ['task', 'machine'],
  lifetime: 3_600_000,
  maxRenewals: 3,
}

/** Goes the whole way of a grant: proposed, shown, agreed to. */
export function grantForTest(
  registry: ConsentRegistry,
  requester: NodeId,
  terms: Partial<ConsentTerms> = {},
): ConsentEntry & { readonly token: string } {
  const { id } = registry.propose(requester, { ...TEST_TERMS, ...terms })
  const { textDigest } = registry.review(id, {}, 'contained')
  const entry = registry.grant(id, textDigest)
  return { ...entry, token: entry.token as string }
}
