import { AskeeError, type Digest, fromUtf8, utf8 } from '@askee/core'
import { z } from 'zod'
import { type AuditClient, auditClient } from './audit-client.ts'
import { type Call, type ConsentClient, consentClient } from './consent-client.ts'
import { eventData, exchange, readAll } from './http.ts'
import { type KeysClient, keysClient } from './keys-client.ts'
import {
  type CampaignSummaryView,
  type CampaignView,
  campaignListSchema,
  campaignSchema,
  type EventView,
  eventSchema,
  type StatusView,
  type SubmitRequest,
  statusSchema,
} from './schema.ts'

/** Calls throw AskeeError: `client/unreachable`, `client/answer`, or the code that the agent answered with. */
export interface ControlClient extends ConsentClient, AuditClient, KeysClient {
  status(signal?: AbortSignal): Promise<StatusView>
  /** Keeps bytes at the agent; campaigns name them by digest. */
  putBlock(bytes: Uint8Array): Promise<Digest>
  submit(request: SubmitRequest): Promise<{ id: string }>
  campaigns(): Promise<CampaignSummaryView[]>
  /** Of this and the following the id may be cut short, to four characters, while it names one campaign alone. */
  campaign(id: string): Promise<CampaignView>
  /** Ends a campaign; what was accepted stays. @throws AskeeError `compute/over` when nothing of it is undecided */
  cancelCampaign(id: string, reason: string): Promise<CampaignView>
  /** Resolves when the campaign is finished, expired or cancelled. */
  wait(id: string, signal?: AbortSignal): Promise<CampaignView>
  /** What happens in campaigns from now on, until the signal aborts or the agent goes away. */
  events(signal?: AbortSignal): AsyncGenerator<EventView>
  /** Connects the agent to a peer. */
  dial(address: string): Promise<{ node: string }>
  stop(): Promise<void>
}

/** @param socket path of the agent's control socket */
export function createControlClient(socket: string): ControlClient {
  const call: Call = async (schema, method, path, body, signal) => {
    const raw = body instanceof Uint8Array
    const response = await exchange({
      socket,
      method,
      path,
      ...(body === undefined ? {} : { body: raw ? body : utf8(JSON.stringify(body)) }),
      ...(raw ? { contentType: 'application/octet-stream' } : {}),
      ...(signal === undefined ? {} : { signal }),
    })
    const text = fromUtf8(await readAll(response))
    const parsed = schema.safeParse(text === '' ? undefined : JSON.parse(text))
    if (!parsed.success) {
      throw new AskeeError(
        'client/answer',
        'the agent speaks another version of the control API',
        {},
        { cause: parsed.error },
      )
    }
    return parsed.data
  }

  return {
    ...auditClient(call, async (path, body) =>
      readAll(await exchange({ socket, method: 'POST', path, body: utf8(JSON.stringify(body)) })),
    ),
    ...consentClient(call),
    ...keysClient(call),
    status: (signal) => call(statusSchema, 'GET', '/v1/status', undefined, signal),
    putBlock: async (bytes) =>
      (await call(z.object({ digest: z.string() }), 'POST', '/v1/blocks', bytes)).digest as Digest,
    submit: (request) => call(z.object({ id: z.string() }), 'POST', '/v1/campaigns', request),
    campaigns: () => call(campaignListSchema, 'GET', '/v1/campaigns'),
    campaign: (id) => call(campaignSchema, 'GET', `/v1/campaigns/${encodeURIComponent(id)}`),
    cancelCampaign: (id, reason) =>
      call(campaignSchema, 'POST', `/v1/campaigns/${encodeURIComponent(id)}/cancel`, { reason }),
    wait: (id, signal) =>
      call(campaignSchema, 'GET', `/v1/campaigns/${encodeURIComponent(id)}/wait`, undefined, signal),
    async *events(signal) {
      const response = await exchange({
        socket,
        method: 'GET',
        path: '/v1/events',
        ...(signal === undefined ? {} : { signal }),
      })
      for await (const data of eventData(response)) yield eventSchema.parse(JSON.parse(data))
    },
    dial: (address) => call(z.object({ node: z.string() }), 'POST', '/v1/peers', { address }),
    stop: async () => {
      await call(z.unknown(), 'POST', '/v1/stop')
    },
  }
}
