import { adoptRootSchema, keepRootSchema, voidSchema } from '@askee/client'
import { type NodeId, parse } from '@askee/core'
import type { FastifyInstance } from 'fastify'
import type { OwnerRoot } from '../owner-root.ts'

/** The owner's root, of which this machine holds nothing but what it signed. */
export function ownerRootRoutes(
  server: FastifyInstance,
  { ownerRoot }: { readonly ownerRoot: OwnerRoot },
): void {
  server.post('/v1/keys/root/adoption', async ({ body }) => {
    const adoption = await ownerRoot.adopt(parse(body, adoptRootSchema).root as NodeId)
    return { adoption: Buffer.from(adoption).toString('base64') }
  })
  server.post('/v1/keys/root', async ({ body }) => {
    const { certificate, adoption } = parse(body, keepRootSchema)
    return ownerRoot.keep(Buffer.from(certificate, 'base64'), Buffer.from(adoption, 'base64'))
  })
  server.post('/v1/keys/void', async ({ body }) => {
    return ownerRoot.publish(Buffer.from(parse(body, voidSchema).document, 'base64'))
  })
}
