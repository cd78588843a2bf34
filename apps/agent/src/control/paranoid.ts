import { type ParanoidView, paranoidRequestSchema } from '@askee/client'
import { type Clock, parse } from '@askee/core'
import { type Identity, signAlert } from '@askee/keys'
import type { FastifyInstance } from 'fastify'
import type { NodeConversations } from '../conversations.ts'

export interface ParanoidRouteParts {
  readonly identity: Identity
  /** The person's key: it alone ends the mode. */
  readonly volunteer: Identity
  readonly nodeKeys: { readonly conversations: NodeConversations }
  readonly clock: Clock
}

/** Paranoid mode: seen, entered and left, by alerts that the person's key signs. */
export function paranoidRoutes(server: FastifyInstance, parts: ParanoidRouteParts): void {
  const { conversations } = parts.nodeKeys
  const view = (): ParanoidView => ({ mode: conversations.mode() })

  server.get('/v1/keys/paranoid', async () => view())
  server.post('/v1/keys/paranoid', async ({ body }) => {
    const { action, reason } = parse(body, paranoidRequestSchema)
    const sequence = conversations.nextAlert()
    const alert = { action, reason, node: parts.identity.id, sequence, at: parts.clock.now() }
    await conversations.alert(signAlert(parts.volunteer, alert))
    return view()
  })
}
