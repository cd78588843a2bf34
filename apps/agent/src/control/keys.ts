import {
  certificateRequestSchema,
  type KeysView,
  keyBackupSchema,
  keyEmergencySchema,
  type PeerKeysView,
  rotateKeysSchema,
} from '@askee/client'
import { type Clock, errorCode, type NodeId, parse } from '@askee/core'
import { CHAIN_USES, type DeviceKey, type Identity, kidOf, publicKeyFromNodeId } from '@askee/keys'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { NodeKeys } from '../keys.ts'
import type { OwnerRoot } from '../owner-root.ts'
import { ownerRootRoutes } from './owner-root.ts'
import { type ParanoidRouteParts, paranoidRoutes } from './paranoid.ts'

export interface KeyRouteParts extends ParanoidRouteParts {
  readonly identity: Identity
  readonly nodeKeys: NodeKeys
  readonly deviceKey: DeviceKey
  readonly clock: Clock
  readonly ownerRoot: OwnerRoot
  /** The lasting secrets behind a passphrase. */
  readonly backUp: (passphrase: string) => Promise<Uint8Array>
}

/** What each provider protects from; said wherever the provider is named. */
const PROTECTS: Readonly<Record<DeviceKey['provider'], string>> = {
  software: 'a file beside the data: protects only copies of the disk without that file',
  keychain: 'in the keychain of the operating system: protects while you are not logged in',
  passphrase: 'behind a passphrase: protects the disk while the agent does not run',
  pkcs11: 'in a token: protects the disk, and the key itself never leaves the token',
}

export function deviceKeyView({ provider }: Pick<DeviceKey, 'provider'>): KeysView['deviceKey'] {
  return { provider, protects: PROTECTS[provider] }
}

/** This node's keys: see, change and void them; and what is known of others'. */
export function keyRoutes(server: FastifyInstance, parts: KeyRouteParts): void {
  const { identity, nodeKeys } = parts
  const view = async (): Promise<KeysView> => ({
    node: identity.id,
    root: parts.ownerRoot.tie(),
    deviceKey: deviceKeyView(parts.deviceKey),
    keys: [
      {
        use: 'signing',
        kid: kidOf('signing', identity.publicKey),
        state: 'active',
        sequence: 0,
        notBefore: null,
        expires: null,
      },
      ...nodeKeys.keys().map(({ use, kid, state, sequence, notBefore, expires }) => ({
        use,
        kid,
        state,
        sequence,
        notBefore,
        expires,
      })),
    ],
  })

  paranoidRoutes(server, parts)
  server.get('/v1/keys', async () => view())
  server.post('/v1/keys/rotate', async ({ body }) => {
    await nodeKeys.rotate(parse(body, rotateKeysSchema).uses)
    return view()
  })
  server.post('/v1/keys/emergency', async ({ body }) => {
    const { reason, uses } = parse(body, keyEmergencySchema)
    await nodeKeys.emergency(reason, uses)
    return view()
  })
  server.post('/v1/keys/backup', async ({ body }) => {
    const backup = await parts.backUp(parse(body, keyBackupSchema).passphrase)
    return { backup: Buffer.from(backup).toString('base64') }
  })

  server.post('/v1/keys/certificate', async ({ body }) => {
    // Loaded by those who ask: most nodes have no authority.
    const { requestCertificate } = await import('@askee/keys/authority')
    const now = parts.clock.now()
    const request = requestCertificate(identity, { ...parse(body, certificateRequestSchema), now })
    return { request: Buffer.from(request).toString('base64') }
  })

  ownerRootRoutes(server, parts)

  const howSchema = z.object({ how: z.enum(['known', 'ask']).default('known') })
  server.get<{ Params: { node: string } }>('/v1/keys/peers/:node', async ({ params, query }) => {
    const node = params.node as NodeId
    // Refuses what is no node id.
    publicKeyFromNodeId(node)
    if (parse(query, howSchema).how === 'ask') await nodeKeys.ask(node)
    return peerView(nodeKeys, node)
  })
}

function peerView(nodeKeys: NodeKeys, node: NodeId): PeerKeysView {
  const keys = CHAIN_USES.map((use) => {
    try {
      const { kid, sequence, notBefore, expires } = nodeKeys.known(node, use)
      return { use, kid, sequence, notBefore, expires, code: null }
    } catch (error) {
      const code = errorCode(error)
      if (code === undefined) throw error
      return { use, kid: null, sequence: null, notBefore: null, expires: null, code }
    }
  })
  return { node, keys }
}
