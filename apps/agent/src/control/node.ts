import { grantSchema, type StatusView } from '@askee/client'
import type { Worker } from '@askee/compute'
import { type ConsentRegistry, grantConsent } from '@askee/consent'
import { type BlockStore, type Clock, type Mesh, type NodeId, parse, type Random } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Executor } from '@askee/sandbox'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { consentView, decimals } from './views.ts'

export interface NodeRouteParts {
  readonly mesh: Mesh
  readonly worker: Worker
  readonly executor: Executor
  readonly consents: ConsentRegistry
  readonly volunteer: Identity
  readonly blocks: BlockStore
  readonly clock: Clock
  readonly random: Random
  readonly storageBytes: number
  readonly version: string
}

/** What this node is and does, its consents, and its peers. */
export function nodeRoutes(server: FastifyInstance, parts: NodeRouteParts, stop: () => void): void {
  const { mesh, consents, clock } = parts

  server.get('/v1/status', async (): Promise<StatusView> => {
    const { credit, leases, ...worker } = parts.worker.status()
    const { name, engine, engineVersion, tier, layers } = parts.executor.describe()
    return {
      version: parts.version,
      node: mesh.self,
      owner: parts.volunteer.id,
      addresses: mesh.addresses(),
      peers: mesh.peers(),
      executor: { name, engine, engineVersion, tier, layers: [...layers] },
      worker: { ...worker, leases: [...leases], credit: decimals(credit) },
      storage: { bytes: parts.blocks.size(), maxBytes: parts.storageBytes },
    }
  })

  server.post('/v1/consents', async (request) => {
    const body = parse(request.body, grantSchema)
    const { token } = await grantConsent(
      { volunteer: parts.volunteer, clock, random: parts.random },
      {
        subject: mesh.self,
        audience: body.requester as NodeId,
        lifetime: body.lifetimeMs,
        purpose: body.purpose,
        textDigest: body.textDigest,
        permissions: {
          resources: {
            cpuPercentMax: body.cpuPercentMax,
            ramMbMax: body.ramMbMax,
            storageGbMax: body.storageGbMax,
            bandwidthMbpsMax: body.bandwidthMbpsMax,
          },
          tasks: {
            kinds: body.kinds,
            minReputation: body.minReputation,
            maxDurationHours: body.maxDurationHours,
          },
          monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
        },
      },
    )
    return consentView(await consents.add(token), clock.now())
  })
  server.get('/v1/consents', async () =>
    consents.list().map(({ claims }) => consentView(claims, clock.now())),
  )

  const dialSchema = z.strictObject({ address: z.string().max(512) })
  server.post('/v1/peers', async (request) => ({
    node: await mesh.dial(parse(request.body, dialSchema).address),
  }))

  server.post('/v1/stop', async (_request, reply) => {
    reply.raw.once('finish', stop)
    return reply.status(204).send()
  })
}
