import { chmod, lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Requester } from '@askee/compute'
import { AskeeError, errorText, type Logger, type Startable } from '@askee/core'
import fastify from 'fastify'
import { type AuditRouteParts, auditRoutes } from './audit.ts'
import { campaignRoutes } from './campaigns.ts'
import { type ComplianceRouteParts, complianceRoutes } from './compliance.ts'
import { type ConsentRouteParts, consentRoutes } from './consents.ts'
import { eventRoutes } from './events.ts'
import { type KeyRouteParts, keyRoutes } from './keys.ts'
import { type NodeRouteParts, nodeRoutes } from './node.ts'
import { problemCode, sendProblem } from './problem.ts'

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
    const code = problemCode(error)
    // Texts name what was sent, purposes and people among it. An unforeseen one is told to nobody else.
    const unforeseen = code === 'control/internal' ? { error: errorText(error) } : {}
    parts.logger.warn({ path: request.routeOptions.url, code, ...unforeseen }, 'control request failed')
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
      if (process.platform !== 'win32') await clearPlace(socket)
      await server.listen({ path: socket })
      // Until then the mask of the process keeps others out, and the folder, which is this user's alone.
      if (process.platform !== 'win32') await chmod(socket, 0o600)
    },
    stop: () => server.close(),
  }
}

/**
 * A socket file outlives kill -9 of its agent: it is removed when nobody listens at it. Nothing else is, and not where it only seems
 * so: an agent with too much to do takes no connection for a moment either.
 */
async function clearPlace(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new AskeeError(
      'agent/socket-taken',
      `${path} is there and is no socket. It was left as it is: choose another path with --control.`,
      { path },
    )
  }
  const refusal = await new Promise<string | undefined>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(undefined)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
  if (refusal === 'ECONNREFUSED') await unlink(path)
  else if (refusal !== 'ENOENT') {
    throw new AskeeError(
      'agent/already-running',
      `an agent already answers at ${path}. Stop it or use another data directory.`,
    )
  }
}
