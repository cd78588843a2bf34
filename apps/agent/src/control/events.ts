import type { CampaignEvent, Requester } from '@askee/compute'
import type { FastifyInstance } from 'fastify'

/** A client that reads slower than this many bytes behind is cut off: events are news, not a journal. */
const MAX_BACKLOG_BYTES = 1024 * 1024

/** Campaign events as a server-sent event stream. */
export function eventRoutes(server: FastifyInstance, parts: { requester: Requester }): void {
  server.get('/v1/events', (_request, reply) => {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    raw.flushHeaders()
    const end = parts.requester.onEvent((event) => {
      if (raw.writableLength > MAX_BACKLOG_BYTES) raw.destroy()
      else raw.write(`data: ${JSON.stringify(eventView(event))}\n\n`)
    })
    raw.on('close', end)
  })
}

function eventView(event: CampaignEvent): object {
  if (event.type !== 'accused') return event
  const { node, task, lease, offence } = event.accusation
  return { type: event.type, campaign: event.campaign, node, task, lease, offence }
}
