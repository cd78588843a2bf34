import { AskeeError, type Clock, type NodeId } from '@askee/core'
import { kidOf } from '../hierarchy/documents.ts'
import type { KeyRing } from '../hierarchy/key-ring.ts'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import { publicKeyFromNodeId } from '../node-id.ts'
import { verifySignature } from '../verify.ts'
import {
  type EnvelopeHeader,
  MAX_CLOCK_SKEW,
  MAX_LIFETIME,
  type ParsedEnvelope,
  parseEnvelope,
  signedPart,
} from './envelope.ts'
import { DOUBLE_TYPE, openInner } from './layers.ts'
import { ReplayGuard, type ReplayGuardLimits } from './replay-guard.ts'
import type { Layers } from './sealer.ts'
import { SUITES } from './suites.ts'

export type EnvelopeErrorCode =
  | 'envelope/wrong-recipient'
  | 'envelope/signature'
  | 'envelope/sender-key'
  | 'envelope/stale'
  | 'envelope/future'
  | 'envelope/expired'
  | 'envelope/lifetime'
  | 'envelope/before-start'
  | 'envelope/replay'
  | 'envelope/reordered'
  | 'envelope/replay-memory'
  | 'envelope/unreadable'
  | 'envelope/body-size'
  | 'envelope/conversation'

/** What is known of the sender of a refused envelope, once its signature held: enough to answer. */
export interface AuthenticSender {
  readonly from: NodeId
  readonly mid: Uint8Array
  readonly conv: string
  readonly typ: string
}

export interface OpenedMessage extends AuthenticSender {
  readonly body: Uint8Array
  readonly layers: Layers
  readonly header: EnvelopeHeader
}

export interface OpenerComponents {
  readonly self: NodeId
  readonly clock: Clock
  readonly keyRing: Pick<KeyRing, 'keyPair'>
  readonly peerKeys: Pick<PeerKeys, 'assertIdentity'>
}

/**
 * Why a message cannot be one that was taken before. `by-clock`: it was made after this process started, and is remembered
 * until it is over. `by-exchange`: it answers something of this process, or is worth nothing without the answer of this
 * process, as the two envelopes that open a session; so it needs no memory, which others could fill.
 */
export type Freshness = 'by-clock' | 'by-exchange'

export interface Opener {
  /**
   * Opens an envelope, once. Nothing is decrypted before the sender is proven.
   * @throws AskeeError with an EnvelopeErrorCode, `codec/*`, `keys/unknown-key`, `keys/key-expired`, `keys/key-revoked`,
   * `keys/identity-revoked`; its `details.sender` is an AuthenticSender when the signature held
   */
  open(received: Uint8Array, freshness?: Freshness): Promise<OpenedMessage>
}

export function createOpener(components: OpenerComponents, limits: Partial<ReplayGuardLimits> = {}): Opener {
  const { clock, keyRing } = components
  const guard = new ReplayGuard(clock.now(), limits)
  return {
    async open(received, freshness = 'by-clock') {
      const envelope = parseEnvelope(received)
      verifySender(envelope, components)
      const { header, hdr } = envelope
      const { from, mid, conv, typ } = header
      try {
        const now = clock.now()
        checkTime(header, now)
        if (freshness === 'by-clock') guard.claim(header, now)
        const outer = await openOuter(envelope, keyRing)
        if (typ !== DOUBLE_TYPE) return { from, mid, conv, typ, body: outer, layers: 'single', header }
        const inner = await openInner(outer, hdr, (kid) => keyRing.keyPair('sealing-inner', kid))
        return { from, mid, conv, typ: inner.typ, body: inner.body, layers: 'double', header }
      } catch (error) {
        if (!(error instanceof AskeeError)) throw error
        const sender: AuthenticSender = { from, mid, conv, typ }
        throw new AskeeError(error.code, error.message, { ...error.details, sender }, { cause: error })
      }
    },
  }
}

function verifySender(envelope: ParsedEnvelope, { self, peerKeys }: OpenerComponents): void {
  const { header, sig } = envelope
  if (header.to !== self) {
    throw new AskeeError('envelope/wrong-recipient', `it is for ${header.to}, this is ${self}`)
  }
  const publicKey = publicKeyFromNodeId(header.from)
  if (!verifySignature(publicKey, signedPart(envelope), sig)) {
    throw new AskeeError('envelope/signature', `the signature of ${header.from} does not cover this envelope`)
  }
  if (header.fromKid !== kidOf('signing', publicKey)) {
    throw new AskeeError('envelope/sender-key', `${header.fromKid} is not the key of ${header.from}`)
  }
  peerKeys.assertIdentity(header.from)
}

function checkTime({ ts, exp }: EnvelopeHeader, now: number): void {
  if (exp < ts || exp - ts > MAX_LIFETIME) {
    throw new AskeeError(
      'envelope/lifetime',
      `expected a life of 0 to ${MAX_LIFETIME} ms, received ${exp - ts}`,
    )
  }
  if (ts > now + MAX_CLOCK_SKEW) {
    throw new AskeeError('envelope/future', `it is dated ${ts - now} ms ahead; set the clocks`)
  }
  if (ts < now - MAX_CLOCK_SKEW) {
    throw new AskeeError('envelope/stale', `it is ${now - ts} ms old, at most ${MAX_CLOCK_SKEW} are taken`)
  }
  if (exp < now) throw new AskeeError('envelope/expired', `it expired ${now - exp} ms ago; send it again`)
}

async function openOuter(envelope: ParsedEnvelope, keyRing: Pick<KeyRing, 'keyPair'>): Promise<Uint8Array> {
  const { header, hdr, enc, ct } = envelope
  const pair = await keyRing.keyPair('sealing', header.toKid)
  try {
    return await SUITES.sealing.Open(pair, enc, ct, { aad: hdr })
  } catch (cause) {
    throw new AskeeError('envelope/unreadable', 'the body does not open', {}, { cause })
  }
}
