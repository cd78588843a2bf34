import { AskeeError, decode, encode } from '@askee/core'
import { z } from 'zod'
import { MAX_ENVELOPE_BYTES } from './envelope.ts'
import { type SealingKeyPair, SUITES } from './suites.ts'

/** `typ` of an envelope whose body is sealed a second time, by an independent suite to an independent key. */
export const DOUBLE_TYPE = 'double/1'

const innerSchema = z.strictObject({
  kid: z.string().regex(/^[0-9a-f]{32}$/),
  enc: z.instanceof(Uint8Array).refine((enc) => enc.byteLength === 65),
  ct: z.instanceof(Uint8Array),
})
const contentSchema = z.strictObject({ typ: z.string().max(64), body: z.instanceof(Uint8Array) })

/** What stands inside the second layer: the true type is hidden as well. */
export type InnerContent = z.output<typeof contentSchema>

export interface RecipientKey {
  readonly kid: string
  readonly publicKey: Uint8Array
}

/** Seals with the second suite. `hdr` is bound in, so that the inner layer fits no other message. */
export async function sealInner(
  recipient: RecipientKey,
  content: { typ: string; body: Uint8Array },
  hdr: Uint8Array,
): Promise<Uint8Array> {
  const suite = SUITES['sealing-inner']
  const key = await suite.DeserializePublicKey(recipient.publicKey)
  const { encapsulatedSecret: enc, ciphertext: ct } = await suite.Seal(key, encode(content), { aad: hdr })
  return encode({ kid: recipient.kid, enc, ct })
}

/**
 * Opens the second layer.
 * @throws AskeeError `envelope/unreadable`, and what `keyPair` throws
 */
export async function openInner(
  bytes: Uint8Array,
  hdr: Uint8Array,
  keyPair: (kid: string) => Promise<SealingKeyPair>,
): Promise<InnerContent> {
  const { kid, enc, ct } = decode(bytes, innerSchema, MAX_ENVELOPE_BYTES)
  const pair = await keyPair(kid)
  try {
    const plain = await SUITES['sealing-inner'].Open(pair, enc, ct, { aad: hdr })
    return decode(plain, contentSchema, MAX_ENVELOPE_BYTES)
  } catch (cause) {
    throw new AskeeError('envelope/unreadable', 'the second layer does not open', {}, { cause })
  }
}
