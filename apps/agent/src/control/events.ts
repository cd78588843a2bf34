import type { CampaignEvent, Requester } from '@askee/compute'
import type { FastifyInstance } from 'fastify'
import type { AuditParts } from './audit.ts'

/** A client that reads slower than this many bytes behind is cut off: events are news, not a journal. */
const MAX_BACKLOG_BYTES = 1024 * 1024

/** What happens to campaigns, and what speaks against a log, as a server-sent event stream. */
export function eventRoutes(
  server: FastifyInstance,
  parts: { requester: Requester; audit: AuditParts },
): void {
  server.get('/v1/events', (_request, reply) => {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    raw.flushHeaders()
    const send = (event: object): void => {
      if (raw.writableLength > MAX_BACKLOG_BYTES) raw.destroy()
      else raw.write(`data: ${JSON.stringify(event)}\n\n`)
    }
    const ends = [
      parts.requester.onEvent((event) => send(eventView(event))),
      parts.audit.watch.onNews((news) => send({ campaign: '', ...news })),
    ]
    raw.on('close', () => {
      for (const end of ends) end()
    })
  })
}

function eventView(event: CampaignEvent): object {
  if (event.type !== 'accused') return event
  const { node, task, lease, offence } = event.accusation
  return { type: event.type, campaign: event.campaign, node, task, lease, offence }
}
