import { AskeeError, concat, decode, encode, type NodeId, utf8 } from '@askee/core'
import { z } from 'zod'
import type { Identity } from './identity.ts'
import { publicKeyFromNodeId } from './node-id.ts'
import { verifySignature } from './verify.ts'

export type VerifyErrorCode = 'signature/invalid' | 'signature/signer' | `codec/${string}`

const SIGNATURE_BYTES = 64
/** Room for the envelope around a body: signer, signature and CBOR headers. */
const ENVELOPE_BYTES = 256

const envelopeSchema = z.strictObject({
  body: z.instanceof(Uint8Array),
  signer: z.string().max(64),
  signature: z.instanceof(Uint8Array).refine((s) => s.byteLength === SIGNATURE_BYTES, 'expected 64 bytes'),
})

/** A body that its signer vouches for. */
export interface SignedDocument<T> {
  readonly signer: NodeId
  readonly value: T
  /** The whole envelope as received. */
  readonly bytes: Uint8Array
}

function signedBytes(domain: string, body: Uint8Array): Uint8Array {
  return concat(utf8(`${domain}\0`), body)
}

/**
 * `{ body: dag-cbor(value), signer, signature }` in dag-cbor; the signature covers domain, a zero byte and body, so
 * that no document can pass for one of another kind.
 * @param domain kind and version, e.g. `askee/receipt/1`
 */
export function signDocument(identity: Identity, domain: string, value: unknown): Uint8Array {
  const body = encode(value)
  return encode({ body, signer: identity.id, signature: identity.sign(signedBytes(domain, body)) })
}

/**
 * Parses and verifies over the received bytes.
 * @param options.signer when given, any other signer is refused
 * @throws AskeeError with a VerifyErrorCode
 */
export function verifyDocument<S extends z.ZodType>(
  bytes: Uint8Array,
  domain: string,
  schema: S,
  options: { maxBytes: number; signer?: NodeId },
): SignedDocument<z.output<S>> {
  const envelope = decode(bytes, envelopeSchema, options.maxBytes + ENVELOPE_BYTES)
  const publicKey = publicKeyFromNodeId(envelope.signer)
  const signer = envelope.signer as NodeId
  if (options.signer !== undefined && options.signer !== signer) {
    throw new AskeeError(
      'signature/signer',
      `expected a document of ${options.signer}, received one of ${signer}`,
    )
  }
  if (!verifySignature(publicKey, signedBytes(domain, envelope.body), envelope.signature)) {
    throw new AskeeError('signature/invalid', `the signature of ${signer} does not cover this document`)
  }
  return { signer, value: decode(envelope.body, schema, options.maxBytes), bytes }
}
