import { z } from 'zod'
import type { Call } from './consent-client.ts'
import {
  type CertificateRequest,
  type KeyEmergencyRequest,
  type KeysView,
  keysSchema,
  type ParanoidRequest,
  type ParanoidView,
  type PeerKeysView,
  paranoidSchema,
  peerKeysSchema,
  type RootTieView,
  type RotateKeysRequest,
  rootTieSchema,
  type VoidedView,
  voidedSchema,
} from './keys-schema.ts'

/** The part of the control API that is about keys. No secret passes but the passphrase of a backup. */
export interface KeysClient {
  keys(): Promise<KeysView>
  /**
   * The keys of another node.
   * @param how `known`: what was heard so far; `ask`: the node is asked first
   */
  peerKeys(node: string, how: 'known' | 'ask'): Promise<PeerKeysView>
  /** New keys now, for all uses or those named; the old ones stay in grace. */
  rotateKeys(request: RotateKeysRequest): Promise<KeysView>
  /** Voids the keys at once and tells the mesh. */
  keyEmergency(request: KeyEmergencyRequest): Promise<KeysView>
  /** Whether only critical conversations go on here, in two layers. */
  mode(): Promise<ParanoidView>
  /** Enters that mode, which voids all keys of before, or leaves it. */
  paranoid(request: ParanoidRequest): Promise<ParanoidView>
  /** This node's word that the root may declare it void, for ever. */
  adoptRoot(root: string): Promise<Uint8Array>
  /** Keeps what node and root said of each other. */
  keepRoot(tie: { certificate: Uint8Array; adoption: Uint8Array }): Promise<RootTieView>
  /** Tells the mesh that a node is void, by a document that its root signed. */
  publishVoid(document: Uint8Array): Promise<VoidedView>
  /** Asks an authority in this node's name, for `askee authority issue`. Good for five minutes. */
  certificateRequest(request: CertificateRequest): Promise<Uint8Array>
  /** What lasts of this node's secrets, in one file that only the passphrase opens. */
  backUpKeys(passphrase: string): Promise<Uint8Array>
}

export function keysClient(call: Call): KeysClient {
  return {
    keys: () => call(keysSchema, 'GET', '/v1/keys'),
    peerKeys: (node, how) =>
      call(peerKeysSchema, 'GET', `/v1/keys/peers/${encodeURIComponent(node)}?how=${how}`),
    rotateKeys: (request) => call(keysSchema, 'POST', '/v1/keys/rotate', request),
    keyEmergency: (request) => call(keysSchema, 'POST', '/v1/keys/emergency', request),
    mode: () => call(paranoidSchema, 'GET', '/v1/keys/paranoid'),
    paranoid: (request) => call(paranoidSchema, 'POST', '/v1/keys/paranoid', request),
    adoptRoot: async (root) => {
      const answer = z.object({ adoption: z.base64() })
      return Buffer.from((await call(answer, 'POST', '/v1/keys/root/adoption', { root })).adoption, 'base64')
    },
    keepRoot: ({ certificate, adoption }) =>
      call(rootTieSchema, 'POST', '/v1/keys/root', {
        certificate: Buffer.from(certificate).toString('base64'),
        adoption: Buffer.from(adoption).toString('base64'),
      }),
    publishVoid: (document) =>
      call(voidedSchema, 'POST', '/v1/keys/void', { document: Buffer.from(document).toString('base64') }),
    certificateRequest: async (request) => {
      const answer = z.object({ request: z.base64() })
      return Buffer.from((await call(answer, 'POST', '/v1/keys/certificate', request)).request, 'base64')
    },
    backUpKeys: async (passphrase) => {
      const answer = z.object({ backup: z.base64() })
      return Buffer.from((await call(answer, 'POST', '/v1/keys/backup', { passphrase })).backup, 'base64')
    },
  }
}
