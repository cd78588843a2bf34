import { type ComplianceProfile, checkCompliance, countHolds, listRemovals, PROFILES } from '@askee/audit'
import {
  type ComplianceView,
  complianceRequestSchema,
  type ErasedView,
  type HeldView,
  type PurgedView,
  purgeRequestSchema,
  type ReceiptView,
  type RemovalsView,
  releaseRequestSchema,
  subjectRequestSchema,
} from '@askee/client'
import { AskeeError, type Clock, parse } from '@askee/core'
import type { FastifyInstance } from 'fastify'
import type { AuditParts } from './audit.ts'

export interface ComplianceRouteParts {
  readonly clock: Clock
  readonly audit: AuditParts
}

/** Rules over the log, and what is held or forgotten by them. */
export function complianceRoutes(server: FastifyInstance, { audit, clock }: ComplianceRouteParts): void {
  const { retention, database, watch } = audit

  server.post('/v1/audit/compliance', async ({ body }): Promise<ComplianceView> => {
    const { profiles, region } = parse(body, complianceRequestSchema)
    const asked = profiles.length === 0 ? [...PROFILES.values()] : profiles.map(profileNamed)
    const now = clock.now()
    const checked = []
    for (const profile of asked) {
      const findings = await checkCompliance(audit, profile, { now, region })
      checked.push({ id: profile.id, title: profile.title, findings })
    }
    return { profiles: checked, holds: countHolds(database) }
  })
  server.post('/v1/audit/purge', async ({ body }): Promise<PurgedView> => {
    const { profile, region } = parse(body, purgeRequestSchema)
    // What goes now may be evidence, and no act that says so is signed: it would look as if somebody had taken it away.
    watch.standing.assertGood()
    return retention.purge(profileNamed(profile), region)
  })
  server.get('/v1/audit/removals', (): Promise<RemovalsView> => listRemovals(audit))
  server.post('/v1/audit/holds', async ({ body }): Promise<HeldView> => {
    const { subject, reason } = parse(body, subjectRequestSchema)
    return retention.hold(subject, reason)
  })
  server.post('/v1/audit/releases', async ({ body }): Promise<ReceiptView> => {
    const { subject, hold, reason } = parse(body, releaseRequestSchema)
    return { receipt: await retention.release(subject, hold, reason) }
  })
  server.post('/v1/audit/erasures', async ({ body }): Promise<ErasedView> => {
    const { subject, reason } = parse(body, subjectRequestSchema)
    watch.standing.assertGood()
    return retention.erase(subject, reason)
  })
}

function profileNamed(id: string): ComplianceProfile {
  const profile = PROFILES.get(id)
  if (profile !== undefined) return profile
  throw new AskeeError(
    'audit/unknown-profile',
    `there is no profile ${id}; there are: ${[...PROFILES.keys()].join(', ')}`,
  )
}
