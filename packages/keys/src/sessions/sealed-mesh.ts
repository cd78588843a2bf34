import {
  AskeeError,
  type Clock,
  decode,
  encode,
  errorCode,
  isErrorCode,
  type Mesh,
  type NodeId,
  type ProtocolLimits,
  type ProtocolName,
  type RequestHandler,
  type RequestOptions,
  type Timers,
} from '@askee/core'
import { z } from 'zod'
import { FRAME_KINDS, type FrameKind, parseFrame } from './frame.ts'
import type { OpenedFrame, Session } from './session.ts'
import { FRAME_OVERHEAD_BYTES, type Sessions } from './sessions.ts'

const DEFAULT_TIMEOUT = 10_000
const DEFAULT_RESPONSE_BYTES = 1024 * 1024
const MAX_REFUSAL_BYTES = 256
/** The request was carried out, and its answer could not be sealed any more. */
const ANSWER_LOST = 'session/answer-lost'
/** Refusals that mean that the other side has the session no more, or not with these keys. All others are of one message. */
const SESSION_GONE =
  /^session\/(?:unknown|wrong-peer|ended|unreadable|unsigned|checkpoint-[a-z]+|answer-lost)$/

const REQUESTS = [FRAME_KINDS.request]
const ANSWERS = [FRAME_KINDS.answer, FRAME_KINDS.refusal]

const refusalSchema = z.strictObject({
  /** `handler`: the request was read and refused; `session`: it was not read. */
  origin: z.enum(['handler', 'session']),
  code: z.string().refine(isErrorCode),
})

export interface SealedMeshComponents {
  readonly mesh: Mesh
  readonly sessions: Sessions
  readonly clock: Clock
  readonly timers: Timers
}

export interface SealedMeshInit {
  /** The conversation that these protocols are. */
  readonly conv: string
  readonly protocols: readonly ProtocolName[]
}

/**
 * A mesh on which the requests of some protocols, their answers and their refusals travel in sessions: sealed from end to
 * end. Never in clear: where no session can be opened a request fails as `mesh/unreachable`, with the
 * reason as `details.code`, as if the peer could not be reached; whoever sends again then tries again. Everything else
 * passes through.
 */
export function sealedMesh(components: SealedMeshComponents, { conv, protocols }: SealedMeshInit): Mesh {
  const { mesh } = components
  const sealed = new Set(protocols)
  return {
    self: mesh.self,
    start: (signal) => mesh.start(signal),
    stop: () => mesh.stop(),
    addresses: () => mesh.addresses(),
    peers: () => mesh.peers(),
    onPeer: (listener) => mesh.onPeer(listener),
    dial: (address, signal) => mesh.dial(address, signal),
    request: (to, protocol, body, options) =>
      sealed.has(protocol)
        ? requestSealed(components, conv, to, protocol, body, options ?? {})
        : mesh.request(to, protocol, body, options),
    handle: (protocol, limits, handler) =>
      sealed.has(protocol)
        ? mesh.handle(protocol, roomFor(limits), sealedHandler(components, conv, protocol, limits, handler))
        : mesh.handle(protocol, limits, handler),
    publish: (topic, body) => mesh.publish(topic, body),
    subscribe: (topic, listener) => mesh.subscribe(topic, listener),
    putRecord: (record, options) => mesh.putRecord(record, options),
    getRecord: (key, options) => mesh.getRecord(key, options),
    closestPeers: (key, count, options) => mesh.closestPeers(key, count, options),
    putBlock: (bytes) => mesh.putBlock(bytes),
    getBlock: (digest, options) => mesh.getBlock(digest, options),
  }
}

function roomFor(limits: ProtocolLimits): ProtocolLimits {
  return {
    ...limits,
    maxRequestBytes: limits.maxRequestBytes + FRAME_OVERHEAD_BYTES,
    maxResponseBytes: limits.maxResponseBytes + FRAME_OVERHEAD_BYTES,
  }
}

/** A request that the other side did not read, so that it may be sent once more in a new session. */
class Unread extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

async function requestSealed(
  components: SealedMeshComponents,
  conv: string,
  to: NodeId,
  protocol: ProtocolName,
  body: Uint8Array,
  options: RequestOptions,
): Promise<Uint8Array> {
  const { clock, timers } = components
  options.signal?.throwIfAborted()
  const timeout = options.timeout ?? DEFAULT_TIMEOUT
  const until = clock.monotonic() + timeout
  const deadline = new AbortController()
  const onAbort = (): void => deadline.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const cancel = timers.after(timeout, () =>
    deadline.abort(new AskeeError('mesh/timeout', `${to} did not answer ${protocol} within ${timeout} ms`)),
  )
  const send = async (): Promise<Uint8Array> => {
    const session = await sessionWith(components, to, conv, deadline.signal)
    const left = Math.max(1, until - clock.monotonic())
    return ask(components, session, protocol, body, { ...options, signal: deadline.signal, timeout: left })
  }
  try {
    try {
      return await send()
    } catch (error) {
      if (!(error instanceof Unread)) throw error
      return await send()
    }
  } catch (error) {
    if (error instanceof Unread) throw unreachable(to, error.code, error)
    throw error
  } finally {
    cancel()
    options.signal?.removeEventListener('abort', onAbort)
  }
}

async function sessionWith(
  { sessions }: SealedMeshComponents,
  to: NodeId,
  conv: string,
  signal: AbortSignal,
): Promise<Session> {
  try {
    return await sessions.to(to, conv, signal)
  } catch (error) {
    const code = errorCode(error)
    const isPassed =
      signal.aborted || code === undefined || (code.startsWith('mesh/') && code !== 'mesh/refused')
    if (isPassed) throw error
    throw unreachable(to, toldCode(error) ?? code, error)
  }
}

async function ask(
  { mesh, sessions }: SealedMeshComponents,
  session: Session,
  protocol: ProtocolName,
  body: Uint8Array,
  options: RequestOptions,
): Promise<Uint8Array> {
  const maxBytes = options.maxResponseBytes ?? DEFAULT_RESPONSE_BYTES
  const { seq, bytes } = sealedOrUnread(session, protocol, body)
  let received: Uint8Array
  try {
    received = await mesh.request(session.peer, protocol, bytes, {
      ...options,
      maxResponseBytes: maxBytes + FRAME_OVERHEAD_BYTES,
    })
  } catch (error) {
    if (errorCode(error) !== 'mesh/refused') throw error
    const code = toldCode(error) ?? 'mesh/refused'
    if (SESSION_GONE.test(code)) sessions.forget(session, 'refused')
    if (code === ANSWER_LOST) throw unreachable(session.peer, code, error)
    // Handlers answer inside the session, so this was said before anything was read.
    throw new Unread(code)
  }
  const answer = answerOf(session, received, protocol, seq)
  if (answer.kind === FRAME_KINDS.refusal) {
    const { origin, code } = refusalIn(session, answer.body)
    // Said in the session, so it lives on there as here.
    if (origin === 'session') throw new Unread(code)
    // The one code of the mesh that is said inside; any other would be this node's own word in the peer's mouth.
    if (code === 'mesh/too-large') throw new AskeeError(code, `${session.peer} refused ${protocol}`)
    throw new AskeeError('mesh/refused', `${session.peer} refused ${protocol}: ${code}`, { code })
  }
  if (answer.body.byteLength > maxBytes) {
    throw new AskeeError(
      'mesh/too-large',
      `answer: expected at most ${maxBytes} bytes, received ${answer.body.byteLength}`,
    )
  }
  return answer.body
}

/** What the other side answered to the message `seq`. Whether it was carried out is not known when that does not open. */
function answerOf(session: Session, received: Uint8Array, protocol: ProtocolName, seq: number): OpenedFrame {
  try {
    const frame = parseFrame(received)
    const isOurs = frame.sid === session.context.sid && frame.re === seq
    if (!isOurs) throw new AskeeError('session/answer', 'it answers something else')
    return session.accept(frame, session.decrypt(frame), { typ: protocol, kinds: ANSWERS })
  } catch (error) {
    throw error instanceof AskeeError ? unreachable(session.peer, error.code, error) : error
  }
}

function refusalIn({ peer }: Session, body: Uint8Array): z.output<typeof refusalSchema> {
  try {
    return decode(body, refusalSchema, MAX_REFUSAL_BYTES)
  } catch (error) {
    throw error instanceof AskeeError ? unreachable(peer, error.code, error) : error
  }
}

/** A session may end between being found and being used. */
function sealedOrUnread(
  session: Session,
  protocol: ProtocolName,
  body: Uint8Array,
): ReturnType<Session['seal']> {
  try {
    return session.seal(FRAME_KINDS.request, protocol, body)
  } catch (error) {
    throw error instanceof AskeeError ? new Unread(error.code) : error
  }
}

function sealedHandler(
  { sessions }: SealedMeshComponents,
  conv: string,
  protocol: ProtocolName,
  limits: ProtocolLimits,
  handler: RequestHandler,
): RequestHandler {
  return async ({ from, body, signal }) => {
    const frame = parseFrame(body)
    const session = sessions.find(frame.sid, from)
    if (session.context.conv !== conv) {
      throw new AskeeError('session/conversation', `${protocol} is no part of ${session.context.conv}`)
    }
    const content = session.decrypt(frame)
    const reply = (kind: FrameKind, bytes: Uint8Array): Uint8Array => {
      try {
        return session.seal(kind, protocol, bytes, frame.seq).bytes
      } catch (cause) {
        throw new AskeeError(ANSWER_LOST, 'the session ended before the answer', {}, { cause })
      }
    }
    const refuse = (origin: 'handler' | 'session', code: string): Uint8Array =>
      reply(FRAME_KINDS.refusal, encode({ origin, code }))
    let question: Uint8Array
    try {
      question = session.accept(frame, content, { typ: protocol, kinds: REQUESTS }).body
    } catch (error) {
      // One that ended the session has nothing left to be told with.
      if (!(error instanceof AskeeError) || session.ended !== undefined) throw error
      return refuse('session', error.code)
    }
    if (question.byteLength > limits.maxRequestBytes) return refuse('handler', 'mesh/too-large')
    let answer: Uint8Array
    try {
      answer = await handler({ from, body: question, signal })
    } catch (error) {
      return refuse('handler', errorCode(error) ?? 'internal')
    }
    if (answer.byteLength > limits.maxResponseBytes) return refuse('handler', 'mesh/too-large')
    return reply(FRAME_KINDS.answer, answer)
  }
}

/** The peer's own reason. */
function toldCode(error: unknown): string | undefined {
  const { code } = (error as AskeeError<string, { code?: unknown }>).details
  return typeof code === 'string' && isErrorCode(code) ? code : undefined
}

function unreachable(peer: NodeId, code: string, cause?: unknown): AskeeError {
  return new AskeeError('mesh/unreachable', `no session with ${peer}: ${code}`, { code }, { cause })
}
