import {
  AskeeError,
  bytesEqual,
  type Clock,
  errorCode,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type ProtocolName,
  type Random,
} from '@askee/core'
import type { KeyExchange } from '../hierarchy/exchange.ts'
import type { KeyRing } from '../hierarchy/key-ring.ts'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import { GRACE } from '../hierarchy/uses.ts'
import type { Identity } from '../identity.ts'
import type { Conversations } from '../paranoid/paranoid.ts'
import { parseEnvelope } from '../sealing/envelope.ts'
import { errorReplyIn, sealErrorReply } from '../sealing/error-reply.ts'
import type { OpenedMessage } from '../sealing/opener.ts'
import type { Layers, Sealer } from '../sealing/sealer.ts'
import {
  ACCEPT_TYPE,
  encodeAccept,
  encodeHello,
  HELLO_TYPE,
  type Hello,
  makeOpening,
  makeSid,
  readAccept,
  readHello,
} from './handshake.ts'
import { deriveKeys, handshakeOf, type SessionContext } from './schedule.ts'
import { Session, type SessionInit } from './session.ts'

/** Opens a session: a signed envelope each way. */
export const SESSION_OPEN_PROTOCOL: ProtocolName = '/askee/session/open/1'
export const MAX_OPENING_BYTES = 4096

/** Keys changed on either side, the peer wants two layers: each is tried once. */
const MAX_ATTEMPTS = 4

export interface OpeningComponents {
  readonly mesh: Mesh
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  /** The door in the mode that the node is in. */
  readonly conversations: () => Conversations
  /** For error replies, which go out in any mode. */
  readonly sealer: Sealer
  readonly keyRing: Pick<KeyRing, 'keys'>
  readonly peerKeys: Pick<PeerKeys, 'current'>
  readonly exchange: Pick<KeyExchange, 'fetch'>
  readonly ages: SessionAges
  /** Messages that may overtake one in a conversation, or undefined when it is none of this node's. */
  readonly windowOf: (conv: string) => number | undefined
}

/** What steals a session's keys learns no more than what is said until it is renewed, or ends. */
export interface SessionAges {
  /** A fresh one is opened at this age; the old one goes on until there is one … */
  readonly renewAfter: Milliseconds
  /** … but never beyond this age. */
  readonly lifetime: Milliseconds
}

/**
 * Opening envelopes have conversations of their own, one for each way: both nodes may open sessions to each other at once,
 * and the order of a conversation is kept for each sender.
 */
const OPEN = '/open'
const ACCEPT = '/accept'

interface Attempt {
  readonly layers: Layers
  readonly keys: Hello['keys']
}

/** What the other side answered instead of a session. */
class Refusal extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/**
 * Opens a session with a peer. Keys that are out of date are asked for, and two layers taken where the peer wants them.
 * @throws AskeeError `session/refused` with the peer's code in its details, and what sealing, opening and the mesh throw
 */
export async function openSession(
  parts: OpeningComponents,
  peer: NodeId,
  conv: string,
  options: { readonly timeout: number; readonly signal?: AbortSignal },
): Promise<Session> {
  let attempt: Attempt = { layers: 'single', keys: 'known' }
  for (let i = 1; ; i++) {
    try {
      return await tryOpening(parts, peer, conv, attempt, options)
    } catch (error) {
      const next = i < MAX_ATTEMPTS ? await changed(parts, peer, attempt, error, options.signal) : undefined
      if (next === undefined) throw withCode(error, peer)
      attempt = next
    }
  }
}

/** How to try again, or undefined when that would change nothing. */
async function changed(
  { exchange }: OpeningComponents,
  peer: NodeId,
  attempt: Attempt,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<Attempt | undefined> {
  const isKeyGone = (code: string | undefined): boolean =>
    code === 'keys/key-revoked' || code === 'keys/key-expired' || code === 'keys/unknown-key'
  if (error instanceof Refusal) {
    if (error.code === 'paranoid/single-layer' && attempt.layers === 'single') {
      return { ...attempt, layers: 'double' }
    }
    if (!isKeyGone(error.code)) return undefined
    await exchange.fetch(peer, signal)
    return attempt
  }
  const code = errorCode(error)
  if (code === 'session/key-changed') return attempt
  // The peer answered to a key that this node does not have any more.
  return isKeyGone(code) && attempt.keys === 'known' ? { ...attempt, keys: 'ask' } : undefined
}

function withCode(error: unknown, peer: NodeId): unknown {
  if (!(error instanceof Refusal)) return error
  const { code } = error
  return new AskeeError('session/refused', `${peer} opened no session: ${code}`, { code })
}

async function tryOpening(
  parts: OpeningComponents,
  peer: NodeId,
  conv: string,
  { layers, keys }: Attempt,
  options: { readonly timeout: number; readonly signal?: AbortSignal },
): Promise<Session> {
  const { mesh, identity, random } = parts
  const door = parts.conversations()
  const wanted: Layers = door.mode() === 'paranoid' ? 'double' : layers
  const sid = makeSid(random)
  const own = makeOpening(wanted, random)
  const body = encodeHello(sid, own, keys)
  const hello = await door.seal({ to: peer, conv: `${conv}${OPEN}`, typ: HELLO_TYPE, body }, wanted)
  const answer = await mesh.request(peer, SESSION_OPEN_PROTOCOL, hello, {
    ...options,
    maxResponseBytes: MAX_OPENING_BYTES,
  })
  const opened = await door.open(answer, 'by-exchange')
  assertFrom(opened, peer, conv)
  const { mid, toKid } = parseEnvelope(hello).header
  const refusal = errorReplyIn(opened)
  if (refusal !== undefined) {
    if (!bytesEqual(refusal.mid, mid)) throw new AskeeError('session/accept', 'it refuses another hello')
    throw new Refusal(refusal.code)
  }
  const accept = readAccept(opened, sid, hello)
  if (opened.layers !== wanted) throw new AskeeError('session/accept', `expected it in ${wanted} layers`)
  const context: SessionContext = {
    sid,
    conv,
    layers: wanted,
    initiator: identity.id,
    responder: peer,
    initiatorKid: opened.header.toKid,
    responderKid: toKid,
    handshake: handshakeOf(hello, answer),
  }
  const derived = deriveKeys(context, own.share, accept, [own.secret, accept.secret])
  return sessionOf(parts, context, 'initiator', derived)
}

/**
 * Answers a hello. The answer is an accepting envelope or, when the sender is proven, an encrypted refusal.
 * @param take keeps the session; may throw
 * @throws AskeeError when the sender is not proven: a bare code is all that it is told
 */
export async function acceptSession(
  parts: OpeningComponents,
  from: NodeId,
  received: Uint8Array,
  take: (session: Session) => void,
): Promise<Uint8Array> {
  const door = parts.conversations()
  try {
    const opened = await door.open(received, 'by-exchange')
    if (opened.from !== from) {
      throw new AskeeError('session/wrong-peer', `a hello of ${opened.from}, brought by ${from}`)
    }
    try {
      return await answer(parts, opened, received, take)
    } catch (error) {
      throw error instanceof AskeeError ? told(error, opened) : error
    }
  } catch (error) {
    const reply = await sealErrorReply(parts.sealer, error)
    if (reply === undefined) throw error
    return reply
  }
}

async function answer(
  parts: OpeningComponents,
  opened: OpenedMessage,
  hello: Uint8Array,
  take: (session: Session) => void,
): Promise<Uint8Array> {
  const { identity, random, exchange } = parts
  const { sid, keys, ...theirs } = readHello(opened)
  const conv = opened.conv.slice(0, -OPEN.length)
  if (!opened.conv.endsWith(OPEN) || parts.windowOf(conv) === undefined) {
    throw new AskeeError('session/conversation', `${opened.conv} is no conversation of this node`)
  }
  if (keys === 'ask') await exchange.fetch(opened.from)
  const own = makeOpening(opened.layers, random)
  const body = encodeAccept(sid, own, hello)
  const message = { to: opened.from, conv: `${conv}${ACCEPT}`, typ: ACCEPT_TYPE, body }
  const accept = await parts.conversations().seal(message, opened.layers)
  const context: SessionContext = {
    sid,
    conv,
    layers: opened.layers,
    initiator: opened.from,
    responder: identity.id,
    initiatorKid: parseEnvelope(accept).header.toKid,
    responderKid: opened.header.toKid,
    handshake: handshakeOf(hello, accept),
  }
  const derived = deriveKeys(context, own.share, theirs, [theirs.secret, own.secret])
  take(sessionOf(parts, context, 'responder', derived))
  return accept
}

function sessionOf(
  parts: OpeningComponents,
  context: SessionContext,
  role: SessionInit['role'],
  keys: SessionInit['keys'],
): Session {
  const { identity, clock, keyRing, peerKeys, windowOf, ages } = parts
  const isInitiator = role === 'initiator'
  const ownKid = isInitiator ? context.initiatorKid : context.responderKid
  const peerKid = isInitiator ? context.responderKid : context.initiatorKid
  const own = keyRing.keys().find(({ kid }) => kid === ownKid)
  const peer = peerKeys.current(isInitiator ? context.responder : context.initiator, 'sealing')
  if (own === undefined || peer.kid !== peerKid) {
    throw new AskeeError('session/key-changed', 'a key changed while the session was opened; open it again')
  }
  const keysLast = Math.min(own.expires, peer.expires) - clock.now()
  const renewAfter = Math.min(keysLast, ages.renewAfter)
  const lifetime = Math.min(keysLast + GRACE, ages.lifetime)
  const window = windowOf(context.conv) ?? 0
  const init = { context, role, keys, window, renewAfter, lifetime, peerSequence: peer.sequence }
  return new Session(init, identity, clock)
}

function assertFrom({ from, conv }: OpenedMessage, peer: NodeId, expected: string): void {
  // A refusal comes in the conversation of what it refuses.
  if (from === peer && (conv === `${expected}${ACCEPT}` || conv === `${expected}${OPEN}`)) return
  throw new AskeeError('session/accept', `expected an answer of ${peer} in ${expected}`)
}

/** With what is needed to answer it encrypted. */
function told(error: AskeeError, { from, mid, conv, typ }: OpenedMessage): AskeeError {
  return new AskeeError(
    error.code,
    error.message,
    { ...error.details, sender: { from, mid, conv, typ } },
    { cause: error },
  )
}
