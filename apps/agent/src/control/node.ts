import type { StatusView } from '@askee/client'
import type { Requester, Worker } from '@askee/compute'
import type { ConsentRegistry } from '@askee/consent'
import { type BlockStore, type Mesh, parse } from '@askee/core'
import type { DeviceKey, Identity } from '@askee/keys'
import type { Executor } from '@askee/sandbox'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { AuditParts } from './audit.ts'
import { standingView } from './audit-standing.ts'
import { deviceKeyView } from './keys.ts'
import { campaignStanding, consentStanding, decimals, executorView } from './views.ts'

export interface NodeRouteParts {
  readonly mesh: Mesh
  readonly worker: Worker
  readonly requester: Requester
  readonly consents: ConsentRegistry
  readonly executor: Executor
  readonly volunteer: Identity
  readonly deviceKey: DeviceKey
  readonly blocks: BlockStore
  readonly storageBytes: number
  readonly version: string
  readonly audit: AuditParts
}

/** What this node is and does, its consents, and its peers. */
export function nodeRoutes(server: FastifyInstance, parts: NodeRouteParts, stop: () => void): void {
  const { mesh } = parts

  server.get('/v1/status', async (): Promise<StatusView> => {
    const { credit, leases, ...worker } = parts.worker.status()
    return {
      version: parts.version,
      node: mesh.self,
      owner: parts.volunteer.id,
      deviceKey: deviceKeyView(parts.deviceKey),
      addresses: mesh.addresses(),
      peers: mesh.peers(),
      executor: executorView(parts.executor.describe()),
      worker: { ...worker, leases: [...leases], credit: decimals(credit) },
      storage: { bytes: parts.blocks.size(), maxBytes: parts.storageBytes },
      consents: consentStanding(parts.consents.list(), leases),
      campaigns: campaignStanding(parts.requester.list()),
      audit: standingView(parts.audit.log, parts.audit.watch),
    }
  })

  const dialSchema = z.strictObject({ address: z.string().max(512) })
  server.post('/v1/peers', async (request) => ({
    node: await mesh.dial(parse(request.body, dialSchema).address),
  }))

  server.post('/v1/stop', async (_request, reply) => {
    reply.raw.once('finish', stop)
    return reply.status(204).send()
  })
}
