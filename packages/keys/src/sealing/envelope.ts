import { AskeeError, concat, decode, encode, type NodeId, utf8 } from '@askee/core'
import { z } from 'zod'

/** Largest body of one message. What is larger is a block, sealed with a key that a message carries. */
export const MAX_BODY_BYTES = 1_048_576
const MAX_HEADER_BYTES = 1024
/** Room for header, encapsulated key, tags, signature and CBOR, also of the second layer. */
const OVERHEAD_BYTES = 2048
export const MAX_ENVELOPE_BYTES = MAX_BODY_BYTES + OVERHEAD_BYTES

/** An envelope is taken when its time and ours differ by no more. */
export const MAX_CLOCK_SKEW = 5 * 60_000
/** From `ts` to `exp`. Longer would only cost memory: after the skew it is refused anyway. */
export const MAX_LIFETIME = 10 * 60_000

const SIGNATURE_DOMAIN = utf8('askee/envelope/1\0')
/** X25519. */
const ENCAPSULATED_BYTES = 32
const SIGNATURE_BYTES = 64
export const MID_BYTES = 16
export const NONCE_BYTES = 16

const bytes = (length: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((value) => value.byteLength === length, `expected ${length} bytes`)
const nodeId = z
  .string()
  .max(64)
  .transform((id) => id as NodeId)
const kid = z.string().regex(/^[0-9a-f]{32}$/)
const time = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const name = z.string().regex(/^[a-z0-9][a-z0-9./-]{0,63}$/)

const headerSchema = z.strictObject({
  v: z.literal(1),
  /** What the body is. */
  typ: name,
  /** 128 random bits that name this message. */
  mid: bytes(MID_BYTES),
  from: nodeId,
  fromKid: kid,
  to: nodeId,
  /** The recipient's key that the body is sealed to. */
  toKid: kid,
  /** When it was made, and after when it is refused. */
  ts: time,
  exp: time,
  nonce: bytes(NONCE_BYTES),
  /** Grows with every message of one sender in one conversation. */
  seq: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  conv: name,
})
export type EnvelopeHeader = z.output<typeof headerSchema>

const envelopeSchema = z.strictObject({
  hdr: z.instanceof(Uint8Array),
  enc: bytes(ENCAPSULATED_BYTES),
  ct: z.instanceof(Uint8Array),
  sig: bytes(SIGNATURE_BYTES),
})
export interface Envelope {
  readonly hdr: Uint8Array
  /** The encapsulated key of HPKE. */
  readonly enc: Uint8Array
  readonly ct: Uint8Array
  /** Ed25519 over `signedPart`. */
  readonly sig: Uint8Array
}

export interface ParsedEnvelope extends Envelope {
  readonly header: EnvelopeHeader
}

/**
 * What the sender signs: domain, header, encapsulated key and ciphertext as received. The header is one CBOR value and `enc`
 * has one length, so that no byte can move from one part to the next.
 */
export function signedPart({ hdr, enc, ct }: Pick<Envelope, 'hdr' | 'enc' | 'ct'>): Uint8Array {
  return concat(SIGNATURE_DOMAIN, hdr, enc, ct)
}

/** @throws AskeeError `envelope/conversation` when typ, conv or seq cannot stand in a header */
export function encodeHeader(header: EnvelopeHeader): Uint8Array {
  const { error } = headerSchema.safeParse(header)
  if (error === undefined) return encode(header)
  throw new AskeeError('envelope/conversation', `no envelope can be made: ${error.issues[0]?.path.join('.')}`)
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return encode(envelope)
}

/** @throws AskeeError `codec/*` */
export function parseEnvelope(received: Uint8Array): ParsedEnvelope {
  const envelope = decode(received, envelopeSchema, MAX_ENVELOPE_BYTES)
  return { ...envelope, header: decode(envelope.hdr, headerSchema, MAX_HEADER_BYTES) }
}
