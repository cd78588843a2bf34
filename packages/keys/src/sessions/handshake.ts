import { AskeeError, bytesEqual, decode, encode, type Random } from '@askee/core'
import { z } from 'zod'
import type { OpenedMessage } from '../sealing/opener.ts'
import type { Layers } from '../sealing/sealer.ts'
import { SID_BYTES } from './frame.ts'
import { digest, makeShare, type Share } from './schedule.ts'

/** `typ` of the two envelopes that open a session. */
export const HELLO_TYPE = 'session-hello/1'
export const ACCEPT_TYPE = 'session-accept/1'

const SECRET_BYTES = 32
const MAX_BYTES = 512

const bytes = (length: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((value) => value.byteLength === length)
const offer = {
  v: z.literal(1),
  sid: z.string().regex(/^[0-9a-f]{32}$/),
  share: bytes(32),
  innerShare: bytes(65).nullable(),
  secret: bytes(SECRET_BYTES),
}
const helloSchema = z.strictObject({
  ...offer,
  /** `ask`: the responder's idea of the initiator's keys is out of date, it should ask for them before it answers. */
  keys: z.enum(['known', 'ask']),
})
const acceptSchema = z.strictObject({ ...offer, hello: bytes(32) })

export type Hello = z.output<typeof helloSchema>
export type Accept = z.output<typeof acceptSchema>

/** One side's part of a session that is being opened. */
export interface Opening {
  readonly share: Share
  readonly secret: Uint8Array
}

export function makeOpening(layers: Layers, random: Random): Opening {
  return { share: makeShare(layers), secret: random.bytes(SECRET_BYTES) }
}

export function makeSid(random: Random): string {
  return Buffer.from(random.bytes(SID_BYTES)).toString('hex')
}

export function encodeHello(sid: string, { share, secret }: Opening, keys: Hello['keys']): Uint8Array {
  return encode({ v: 1, sid, share: share.publicKey, innerShare: share.innerKey, secret, keys })
}

export function encodeAccept(sid: string, { share, secret }: Opening, hello: Uint8Array): Uint8Array {
  return encode({
    v: 1,
    sid,
    share: share.publicKey,
    innerShare: share.innerKey,
    secret,
    hello: digest(hello),
  })
}

/** @throws AskeeError `session/hello`, `codec/*` */
export function readHello(opened: OpenedMessage): Hello {
  if (opened.typ !== HELLO_TYPE) {
    throw new AskeeError('session/hello', `expected ${HELLO_TYPE}, received ${opened.typ}`)
  }
  return decode(opened.body, helloSchema, MAX_BYTES)
}

/**
 * The answer to exactly the hello that was sent.
 * @throws AskeeError `session/accept`, `codec/*`
 */
export function readAccept(opened: OpenedMessage, sid: string, hello: Uint8Array): Accept {
  if (opened.typ !== ACCEPT_TYPE) {
    throw new AskeeError('session/accept', `expected ${ACCEPT_TYPE}, received ${opened.typ}`)
  }
  const accept = decode(opened.body, acceptSchema, MAX_BYTES)
  if (accept.sid !== sid || !bytesEqual(accept.hello, digest(hello))) {
    throw new AskeeError('session/accept', 'it answers another hello')
  }
  return accept
}
