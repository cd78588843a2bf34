import { grantSchema, type TermsRequest, termsSchema } from '@askee/client'
import {
  type ConsentGrant,
  type ConsentRegistry,
  consentText,
  grantConsent,
  textDigest,
} from '@askee/consent'
import { AskeeError, type Clock, type NodeId, parse, type Random } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Executor } from '@askee/sandbox'
import type { FastifyInstance } from 'fastify'
import { consentView } from './views.ts'

export interface ConsentRouteParts {
  /** This node. */
  readonly node: NodeId
  readonly consents: ConsentRegistry
  readonly executor: Executor
  readonly volunteer: Identity
  readonly clock: Clock
  readonly random: Random
}

/** What this machine's owner allows. The agent writes the text, and signs only under the text that it wrote. */
export function consentRoutes(server: FastifyInstance, parts: ConsentRouteParts): void {
  const { consents, clock } = parts

  server.post('/v1/consents/text', async (request) => ({
    text: consentText(grantOf(parts.node, parse(request.body, termsSchema)), parts.executor.describe().tier),
  }))

  server.post('/v1/consents', async (request) => {
    const { textDigest: shown, ...terms } = parse(request.body, grantSchema)
    const grant = grantOf(parts.node, terms)
    const written = textDigest(consentText(grant, parts.executor.describe().tier))
    if (shown !== written) {
      throw new AskeeError(
        'consent/text',
        `the text that was shown (${shown}) is not the one for these terms (${written})`,
      )
    }
    const { token } = await grantConsent(parts, { ...grant, textDigest: written })
    return consentView(await consents.add(token), clock.now())
  })

  server.get('/v1/consents', async () =>
    consents.list().map(({ claims }) => consentView(claims, clock.now())),
  )
}

function grantOf(subject: NodeId, terms: TermsRequest): Omit<ConsentGrant, 'textDigest'> {
  return {
    subject,
    audience: terms.requester as NodeId,
    lifetime: terms.lifetimeMs,
    purpose: terms.purpose,
    permissions: {
      resources: {
        cpuPercentMax: terms.cpuPercentMax,
        ramMbMax: terms.ramMbMax,
        storageGbMax: terms.storageGbMax,
        bandwidthMbpsMax: terms.bandwidthMbpsMax,
      },
      tasks: {
        kinds: terms.kinds,
        minReputation: terms.minReputation,
        maxDurationHours: terms.maxDurationHours,
      },
      monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
    },
  }
}
