import {
  agreementSchema,
  type Choices,
  type ConsentInUseView,
  choicesSchema,
  grantSchema,
  invitationSchema,
  manifestRequestSchema,
  type RevokedView,
  reasonSchema,
  type Terms,
  termsSchema,
  type VerdictView,
  type VerifyRequest,
  verifySchema,
} from '@askee/client'
import type { Worker } from '@askee/compute'
import {
  type ConsentChoices,
  type ConsentRegistry,
  type ConsentReview,
  type ConsentTerms,
  inspectToken,
  type RevocationBook,
  type RevocationLookup,
  signConsentManifest,
} from '@askee/consent'
import {
  AskeeError,
  type Clock,
  errorCode,
  errorText,
  type NodeId,
  parse,
  type Random,
  toHex,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import { type Executor, holdsProcessorShare } from '@askee/sandbox'
import type { FastifyInstance } from 'fastify'
import { consentView } from './views.ts'

export interface ConsentRouteParts {
  /** This node, which signs what it asks of others. */
  readonly identity: Identity
  readonly consents: ConsentRegistry
  readonly revocations: RevocationBook
  readonly lookup: RevocationLookup
  readonly executor: Executor
  readonly worker: Worker
  readonly clock: Clock
  readonly random: Random
  /** Revokes one consent, or all, and waits until nothing of it is left. */
  readonly revoke: (which: string | 'all', reason: string) => Promise<RevokedView>
  /** @throws AskeeError `audit/*`, `store/*` while what is on this disk is known to be older than what was here */
  readonly assertMayGrant: () => void
}

type ById = { Params: { id: string } }

/**
 * What this machine's owner allows. The agent writes every text, and signs only under a text that it wrote and that was
 * asked for before.
 */
export function consentRoutes(server: FastifyInstance, parts: ConsentRouteParts): void {
  const { consents, executor } = parts
  // What holds tasks on this machine is part of the text that the owner agrees to.
  const review = (id: string, choices: ConsentChoices): ConsentReview => {
    const description = executor.describe()
    const processor = holdsProcessorShare(description) ? 'held' : 'not-held'
    return consents.review(id, choices, description.tier, processor)
  }

  server.post('/v1/consents/text', async (request) => {
    const { requester, ...terms } = parse(request.body, termsSchema)
    const { id } = consents.propose(requester as NodeId, termsOf(terms))
    return review(id, {})
  })
  server.post('/v1/consents', async (request) => {
    parts.assertMayGrant()
    const { textDigest, requester, ...terms } = parse(request.body, grantSchema)
    const { id } = consents.propose(requester as NodeId, termsOf(terms))
    return consentView(consents.grant(id, textDigest))
  })

  server.post('/v1/consents/manifests', async (request) => {
    const { name, domain, validForMs, ...terms } = parse(request.body, manifestRequestSchema)
    const manifest = signConsentManifest(parts.identity, {
      id: toHex(parts.random.bytes(16)),
      now: parts.clock.now(),
      requester: parts.identity.id,
      ...(name === undefined ? {} : { name }),
      ...(domain === undefined ? {} : { domain }),
      terms: termsOf(terms),
      validFor: validForMs,
    })
    return { manifest }
  })
  server.post('/v1/consents/invitations', async (request) =>
    consentView(consents.invite(parse(request.body, invitationSchema).manifest)),
  )
  server.post<ById>('/v1/consents/:id/review', async ({ params, body }) =>
    review(params.id, choicesOf(parse(body, choicesSchema))),
  )
  server.post<ById>('/v1/consents/:id/grant', async ({ params, body }) => {
    parts.assertMayGrant()
    return consentView(consents.grant(params.id, parse(body, agreementSchema).textDigest))
  })
  server.post<ById>('/v1/consents/:id/refuse', async ({ params, body }) =>
    consentView(consents.refuse(params.id, parse(body, reasonSchema).reason)),
  )
  server.post<ById>('/v1/consents/:id/renew', async ({ params, body }) => {
    parts.assertMayGrant()
    return consentView(consents.renew(params.id, choicesOf(parse(body, choicesSchema))))
  })
  server.post<ById>('/v1/consents/:id/suspend', async ({ params, body }) =>
    consentView(consents.suspend(params.id, parse(body, reasonSchema).reason)),
  )
  server.post<ById>('/v1/consents/:id/resume', async ({ params }) => {
    parts.assertMayGrant()
    return consentView(consents.resume(params.id))
  })
  server.post<ById>('/v1/consents/:id/revoke', async ({ params, body }) =>
    parts.revoke(params.id, parse(body, reasonSchema).reason),
  )
  server.post('/v1/consents/revoke-all', async ({ body }) =>
    parts.revoke('all', parse(body, reasonSchema).reason),
  )

  server.get<{ Querystring: { which?: string } }>('/v1/consents', async ({ query }) =>
    consents
      .list()
      .filter(({ claims }) => query.which === 'all' || claims !== null)
      .map(consentView),
  )
  server.get<{ Querystring: { consent?: string } }>('/v1/consents/history', async ({ query }) => {
    await consents.history.settled()
    return consents.history.entries(query.consent === undefined ? undefined : consents.show(query.consent).id)
  })
  server.post('/v1/consents/verify', async ({ body }) => verdictOf(parts, parse(body, verifySchema)))
  server.get<ById>('/v1/consents/:id/token', async ({ params }) => {
    const { token, id } = consents.show(params.id)
    if (token === null) throw new AskeeError('consent/unknown', `nothing was granted under ${id}`)
    return { token }
  })
  server.get<ById>('/v1/consents/:id', async ({ params }): Promise<ConsentInUseView> => {
    const entry = consents.show(params.id)
    const [token] = entry.tokens
    const use = token === undefined ? undefined : await parts.worker.storageUse(token)
    const storage = use === undefined ? null : { usedBytes: use.used, allowedBytes: use.allowed }
    return { ...consentView(entry), storage }
  })
}

function termsOf(terms: Omit<Terms, 'requester'>): ConsentTerms {
  const { cpuPercentMax, ramMbMax, storageGbMax, bandwidthMbpsMax } = terms
  const { kinds, minReputation, maxDurationHours } = terms
  return {
    permissions: {
      resources: { cpuPercentMax, ramMbMax, storageGbMax, bandwidthMbpsMax },
      tasks: { kinds, minReputation, maxDurationHours },
      monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
    },
    purposes: [terms.purpose],
    data: terms.data,
    lifetime: terms.lifetimeMs,
    maxRenewals: terms.maxRenewals,
  }
}

/** Without the fields that were not given: to name one as undefined would be to choose. */
function choicesOf({ lifetimeMs, ...choices }: Choices): ConsentChoices {
  const all = { ...choices, ...(lifetimeMs === undefined ? {} : { lifetime: lifetimeMs }) }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** What a token, or an own consent, is worth to anybody who holds it, whomever it is for. */
async function verdictOf(parts: ConsentRouteParts, asked: VerifyRequest): Promise<VerdictView> {
  const { clock, revocations, lookup, consents } = parts
  const nothing = { id: null, grantor: null, subject: null, audience: null, expires: null }
  let said: Omit<VerdictView, 'valid' | 'code' | 'detail'> = nothing
  try {
    const token = 'token' in asked ? asked.token : consents.show(asked.consent).token
    if (token === null) throw new AskeeError('consent/unknown', 'nothing was granted, so there is no token')
    const consent = inspectToken(token)
    const { id, grantor, subject, audience, expires } = consent
    said = { id, grantor, subject, audience, expires }
    inspectToken(token, clock.now())
    const own = consents.list().find(({ tokens }) => tokens.includes(id))
    if (own?.phase === 'revoked') throw new AskeeError('consent/revoked', 'you revoked this consent')
    // Of what is not the own, this node may have missed the end.
    if (own === undefined) await lookup.look(consent)
    revocations.check(consent)
    if (own?.phase === 'suspended') throw new AskeeError('consent/suspended', 'you suspended this consent')
    return { valid: true, code: null, detail: null, ...said }
  } catch (error) {
    const code = errorCode(error)
    // The code stands beside it.
    const detail = code === undefined ? errorText(error) : (error as Error).message
    return { valid: false, code: code ?? 'consent/internal', detail, ...said }
  }
}
