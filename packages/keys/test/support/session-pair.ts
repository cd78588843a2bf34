import { type Clock, systemRandom as random } from '@askee/core'
import { createIdentity, type Identity, kidOf } from '../../src/index.ts'
import type { Layers } from '../../src/sealing/sealer.ts'
import type { Direction } from '../../src/sessions/frame.ts'
import { makeOpening, makeSid } from '../../src/sessions/handshake.ts'
import {
  type DirectionKeys,
  deriveKeys,
  handshakeOf,
  type SessionContext,
  type TheirShare,
} from '../../src/sessions/schedule.ts'
import { Session } from '../../src/sessions/session.ts'

const HOUR = 3_600_000

export interface SessionPair {
  readonly alice: Identity
  readonly bob: Identity
  /** Alice's side; she opened it. */
  readonly a: Session
  /** Bob's side. */
  readonly b: Session
  /** What only the two know. */
  readonly keys: Readonly<Record<Direction, DirectionKeys>>
}

/** Both sides of a session that is open, without the envelopes that open it. */
export function sessionPair(
  clock: Clock,
  options: { layers?: Layers; window?: number; conv?: string; alice?: Identity; bob?: Identity } = {},
): SessionPair {
  const { layers = 'single', window = 0, conv = 'talk' } = options
  const [alice, bob] = [options.alice ?? createIdentity(random), options.bob ?? createIdentity(random)]
  const [own, theirs] = [makeOpening(layers, random), makeOpening(layers, random)]
  const context: SessionContext = {
    sid: makeSid(random),
    conv,
    layers,
    initiator: alice.id,
    responder: bob.id,
    initiatorKid: kidOf('sealing', alice.publicKey),
    responderKid: kidOf('sealing', bob.publicKey),
    handshake: handshakeOf(random.bytes(100), random.bytes(100)),
  }
  const told = ({ share, secret }: typeof own): TheirShare => ({
    share: share.publicKey,
    innerShare: share.innerKey,
    secret,
  })
  const secrets = [own.secret, theirs.secret] as const
  const times = { renewAfter: HOUR, lifetime: 2 * HOUR, peerSequence: 1, window }
  const keysOfAlice = deriveKeys(context, own.share, told(theirs), secrets)
  const keysOfBob = deriveKeys(context, theirs.share, told(own), secrets)
  return {
    alice,
    bob,
    keys: keysOfAlice,
    a: new Session({ context, role: 'initiator', keys: keysOfAlice, ...times }, alice, clock),
    b: new Session({ context, role: 'responder', keys: keysOfBob, ...times }, bob, clock),
  }
}
