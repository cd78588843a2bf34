import { errorCode, utf8 } from '@askee/core'
import type { CoveredMessages } from '../../src/sessions/checkpoint.ts'
import { sealLayers } from '../../src/sessions/cipher.ts'
import { encodeContent } from '../../src/sessions/content.ts'
import {
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_KINDS,
  type FrameHeader,
  type FrameKind,
  joinFrame,
  parseFrame,
  readFrameHeader,
} from '../../src/sessions/frame.ts'
import type { OpenedFrame, Session } from '../../src/sessions/session.ts'
import type { SessionPair } from './session-pair.ts'

export const MINUTE = 60_000
export const START = 1_700_000_000_000
export const TYPE = 'text/1'

/** What comes with a protocol: the requests to who accepted the session, answers to who opened it. */
export function open(session: Session, bytes: Uint8Array): OpenedFrame {
  const kinds = session.role === 'responder' ? [FRAME_KINDS.request] : [FRAME_KINDS.answer]
  return take(session, bytes, kinds)
}

export function take(session: Session, bytes: Uint8Array, kinds: readonly FrameKind[]): OpenedFrame {
  const frame = parseFrame(bytes)
  return session.accept(frame, session.decrypt(frame), { typ: TYPE, kinds })
}

/** A checkpoint each way, as nodes send them where nothing else is said. */
export function flush({ a, b }: Pick<SessionPair, 'a' | 'b'>): void {
  const { seq } = take(b, a.seal(FRAME_KINDS.flush, TYPE, utf8('')).bytes, [FRAME_KINDS.flush])
  take(a, b.seal(FRAME_KINDS.flushed, TYPE, utf8(''), seq).bytes, [FRAME_KINDS.flushed])
}

export function ask(session: Session, text = 'meet at noon'): Uint8Array {
  return session.seal(FRAME_KINDS.request, TYPE, utf8(text)).bytes
}

export function codeOf(work: () => unknown): string {
  try {
    work()
    return 'opened'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

/** The frame with another header, its sealed part as it was. */
export function altered(bytes: Uint8Array, change: Partial<FrameHeader>): Uint8Array {
  const { sealedBytes, ...header } = readFrameHeader(bytes)
  const encoded = encodeFrameHeader({ ...header, ...change }, sealedBytes)
  return joinFrame(encoded, [bytes.subarray(FRAME_HEADER_BYTES)])
}

/** A frame as Alice could make it if she were hostile: with the keys of the session, and whatever header and content. */
export function forged(
  { a, keys }: SessionPair,
  change: Partial<FrameHeader>,
  content = plain(),
): Uint8Array {
  const { sid } = a.context
  const header = { kind: FRAME_KINDS.request, direction: 0, checkpoint: false, sid, seq: 1, re: 0 } as const
  const whole = { ...header, ts: START, life: 5 * MINUTE, acked: 0, ...change }
  const encoded = encodeFrameHeader(whole, content.byteLength + 16)
  return joinFrame(encoded, sealLayers(keys[whole.direction], whole.seq, encoded, content))
}

export function plain(checkpoint?: CoveredMessages): Uint8Array {
  return encodeContent({ typ: TYPE, checkpoint, body: utf8('hello') })
}
