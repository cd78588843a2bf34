import { AskeeError, type Clock, type NodeId, type Random } from '@askee/core'
import { kidOf } from '../hierarchy/documents.ts'
import type { SealingUse } from '../hierarchy/uses.ts'
import type { Identity } from '../identity.ts'
import {
  type EnvelopeHeader,
  encodeEnvelope,
  encodeHeader,
  MAX_BODY_BYTES,
  MAX_CLOCK_SKEW,
  MID_BYTES,
  NONCE_BYTES,
  signedPart,
} from './envelope.ts'
import { DOUBLE_TYPE, type RecipientKey, sealInner } from './layers.ts'
import { type SealingPublicKey, SUITES } from './suites.ts'

export interface SealerComponents {
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  /** The recipient's key now; `KeyExchange.current` or `PeerKeys.current`. */
  readonly recipientKey: (node: NodeId, use: SealingUse) => RecipientKey | Promise<RecipientKey>
}

export interface Message {
  readonly to: NodeId
  /** Conversation: 1 to 64 of a–z, 0–9, dot, slash and hyphen. */
  readonly conv: string
  /** What the body is, of the same characters. */
  readonly typ: string
  /** At most 1 MiB. */
  readonly body: Uint8Array
}

/** How many independent layers protect a message: two in paranoid mode. */
export type Layers = 'single' | 'double'

export interface Sealer {
  /**
   * An envelope that only its recipient can open, once, within five minutes.
   * @throws AskeeError `envelope/body-size`, `envelope/conversation`, and what `recipientKey` throws
   */
  seal(message: Message, layers?: Layers): Promise<Uint8Array>
}

/** Conversations whose last sequence is kept. Forgetting one is harmless: sequences follow the clock. */
const MAX_CONVERSATIONS = 4096
/** Parsed public keys kept. */
const MAX_KEYS = 256

/** Seals messages of one identity. Sequences start from the clock, so that they grow over restarts without being kept. */
export function createSealer(components: SealerComponents): Sealer {
  const { identity, clock, random, recipientKey } = components
  const fromKid = kidOf('signing', identity.publicKey)
  const sequences = new Map<string, number>()
  const keys = new Map<string, SealingPublicKey>()

  const nextSequence = (to: NodeId, conv: string): number => {
    const name = `${to} ${conv}`
    const seq = Math.max((sequences.get(name) ?? 0) + 1, clock.now())
    sequences.delete(name)
    sequences.set(name, seq)
    if (sequences.size > MAX_CONVERSATIONS) sequences.delete(sequences.keys().next().value as string)
    return seq
  }
  const parsed = async ({ kid, publicKey }: RecipientKey): Promise<SealingPublicKey> => {
    const held = keys.get(kid)
    if (held !== undefined) return held
    const key = await SUITES.sealing.DeserializePublicKey(publicKey)
    if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value as string)
    keys.set(kid, key)
    return key
  }

  return {
    async seal({ to, conv, typ, body }, layers = 'single') {
      if (body.byteLength > MAX_BODY_BYTES) {
        throw new AskeeError(
          'envelope/body-size',
          `expected at most ${MAX_BODY_BYTES} bytes, received ${body.byteLength}; send a block instead`,
        )
      }
      const [outer, inner] = await Promise.all([
        recipientKey(to, 'sealing'),
        layers === 'double' ? recipientKey(to, 'sealing-inner') : undefined,
      ])
      const ts = clock.now()
      const header: EnvelopeHeader = {
        v: 1,
        typ: inner === undefined ? typ : DOUBLE_TYPE,
        mid: random.bytes(MID_BYTES),
        from: identity.id,
        fromKid,
        to,
        toKid: outer.kid,
        ts,
        exp: ts + MAX_CLOCK_SKEW,
        nonce: random.bytes(NONCE_BYTES),
        seq: nextSequence(to, conv),
        conv,
      }
      const hdr = encodeHeader(header)
      const plain = inner === undefined ? body : await sealInner(inner, { typ, body }, hdr)
      const { encapsulatedSecret: enc, ciphertext: ct } = await SUITES.sealing.Seal(
        await parsed(outer),
        plain,
        {
          aad: hdr,
        },
      )
      return encodeEnvelope({ hdr, enc, ct, sig: identity.sign(signedPart({ hdr, enc, ct })) })
    },
  }
}
