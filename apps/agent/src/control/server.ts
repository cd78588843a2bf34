import { chmod, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Requester } from '@askee/compute'
import { AskeeError, type Logger, type Startable } from '@askee/core'
import fastify from 'fastify'
import { type AuditRouteParts, auditRoutes } from './audit.ts'
import { campaignRoutes } from './campaigns.ts'
import { type ComplianceRouteParts, complianceRoutes } from './compliance.ts'
import { type ConsentRouteParts, consentRoutes } from './consents.ts'
import { eventRoutes } from './events.ts'
import { type KeyRouteParts, keyRoutes } from './keys.ts'
import { type NodeRouteParts, nodeRoutes } from './node.ts'
import { sendProblem } from './problem.ts'

/** Largest JSON body: a campaign of 100,000 inputs names 64 characters for each. */
const MAX_JSON_BYTES = 8 * 1024 * 1024

export interface ControlServerParts
  extends NodeRouteParts,
    ConsentRouteParts,
    AuditRouteParts,
    ComplianceRouteParts,
    KeyRouteParts {
  readonly requester: Requester
  readonly logger: Logger
}

/**
 * The control API on a unix socket of mode 0600: who may open it is this user, so no further login is asked.
 * @param stop called when a client asks the agent to stop
 */
export function createControlServer(parts: ControlServerParts, socket: string, stop: () => void): Startable {
  const server = fastify({ logger: false, bodyLimit: MAX_JSON_BYTES, forceCloseConnections: true })
  server.setErrorHandler((error, request, reply) => {
    parts.logger.warn({ path: request.routeOptions.url, error: String(error) }, 'control request failed')
    return sendProblem(reply, error)
  })
  server.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new AskeeError('control/not-found', `${request.method} ${request.url} does not exist`),
    ),
  )
  auditRoutes(server, parts)
  complianceRoutes(server, parts)
  campaignRoutes(server, parts)
  consentRoutes(server, parts)
  keyRoutes(server, parts)
  eventRoutes(server, parts)
  nodeRoutes(server, parts, stop)

  return {
    async start() {
      await removeDeadSocket(socket)
      // The socket is born with the mode that the mask leaves: nobody else can open it for even a moment.
      const mask = process.umask(0o177)
      try {
        await server.listen({ path: socket })
      } finally {
        process.umask(mask)
      }
      if (process.platform !== 'win32') await chmod(socket, 0o600)
    },
    stop: () => server.close(),
  }
}

/** A socket file outlives kill -9 of its agent; one that nobody answers is removed. */
async function removeDeadSocket(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (answered) {
    throw new AskeeError(
      'agent/already-running',
      `an agent already answers at ${path}. Stop it or use another data directory.`,
    )
  }
  await unlink(path).catch(() => undefined)
}
