import { z } from 'zod'
import {
  type Choices,
  type ConsentInUseView,
  type ConsentView,
  consentInUseSchema,
  consentSchema,
  type GrantRequest,
  type HistoryEntryView,
  historyEntrySchema,
  type ManifestRequest,
  type ReviewView,
  type RevokedView,
  reviewSchema,
  revokedSchema,
  type TermsRequest,
  type VerdictView,
  type VerifyRequest,
  verdictSchema,
} from './consent-schema.ts'

/** One call of the control API. */
export type Call = <S extends z.ZodType>(
  schema: S,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  signal?: AbortSignal,
) => Promise<z.output<S>>

/** The part of the control API that is about consents. Ids may be cut short while they name one consent alone. */
export interface ConsentClient {
  /** The exact text to show to a person before a grant in the owner's own words. */
  consentText(terms: TermsRequest): Promise<string>
  /** @throws AskeeError `consent/text` when `textDigest` is not of the text for these terms, `consent/unreviewed` */
  grant(request: GrantRequest): Promise<ConsentView>
  /** Those that were given, or all, invitations included. */
  consents(which?: 'given' | 'all'): Promise<ConsentView[]>
  consent(id: string): Promise<ConsentInUseView>
  /** The newest token, to be checked by others; it opens nothing to anybody but its holder. */
  consentToken(id: string): Promise<string>
  /** Signs what this node asks of volunteers, to be handed to them. */
  signManifest(request: ManifestRequest): Promise<string>
  /** Takes a requester's manifest; nothing is granted by that. */
  invite(manifest: string): Promise<ConsentView>
  review(id: string, choices: Choices): Promise<ReviewView>
  agree(id: string, textDigest: string): Promise<ConsentView>
  refuseConsent(id: string, reason: string): Promise<ConsentView>
  renew(id: string, choices: Choices): Promise<ConsentView>
  suspend(id: string, reason: string): Promise<ConsentView>
  resume(id: string): Promise<ConsentView>
  revoke(id: string, reason: string): Promise<RevokedView>
  revokeAll(reason: string): Promise<RevokedView>
  consentHistory(id?: string): Promise<HistoryEntryView[]>
  verifyConsent(what: VerifyRequest): Promise<VerdictView>
}

export function consentClient(call: Call): ConsentClient {
  const at = (id: string, verb: string): string => `/v1/consents/${encodeURIComponent(id)}/${verb}`
  return {
    consentText: async (terms) =>
      (await call(z.object({ text: z.string() }), 'POST', '/v1/consents/text', terms)).text,
    grant: (request) => call(consentSchema, 'POST', '/v1/consents', request),
    consents: (which = 'given') => call(z.array(consentSchema), 'GET', `/v1/consents?which=${which}`),
    consent: (id) => call(consentInUseSchema, 'GET', `/v1/consents/${encodeURIComponent(id)}`),
    consentToken: async (id) => (await call(z.object({ token: z.string() }), 'GET', at(id, 'token'))).token,
    signManifest: async (request) =>
      (await call(z.object({ manifest: z.string() }), 'POST', '/v1/consents/manifests', request)).manifest,
    invite: (manifest) => call(consentSchema, 'POST', '/v1/consents/invitations', { manifest }),
    review: (id, choices) => call(reviewSchema, 'POST', at(id, 'review'), choices),
    agree: (id, textDigest) => call(consentSchema, 'POST', at(id, 'grant'), { textDigest }),
    refuseConsent: (id, reason) => call(consentSchema, 'POST', at(id, 'refuse'), { reason }),
    renew: (id, choices) => call(consentSchema, 'POST', at(id, 'renew'), choices),
    suspend: (id, reason) => call(consentSchema, 'POST', at(id, 'suspend'), { reason }),
    resume: (id) => call(consentSchema, 'POST', at(id, 'resume'), {}),
    revoke: (id, reason) => call(revokedSchema, 'POST', at(id, 'revoke'), { reason }),
    revokeAll: (reason) => call(revokedSchema, 'POST', '/v1/consents/revoke-all', { reason }),
    consentHistory: (id) =>
      call(
        z.array(historyEntrySchema),
        'GET',
        `/v1/consents/history${id === undefined ? '' : `?consent=${encodeURIComponent(id)}`}`,
      ),
    verifyConsent: (what) => call(verdictSchema, 'POST', '/v1/consents/verify', what),
  }
}
