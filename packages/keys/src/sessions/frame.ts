import { AskeeError, concat } from '@askee/core'

/**
 * One message of a session, big endian:
 *
 *     u8 version | u8 kind | u8 direction | u8 checkpoint | 16 session | u48 seq | u48 re | u48 ts | u32 life | u48 acked |
 *     u32 length | sealed
 *
 * Everything before `sealed` is associated data of the sealing. A fixed layout, because a busy conversation reads
 * thousands of them a second.
 */
export const FRAME_KINDS = { request: 1, answer: 2, refusal: 3, flush: 4, flushed: 5 } as const
export type FrameKind = (typeof FRAME_KINDS)[keyof typeof FRAME_KINDS]

/** 0 from who opened the session, 1 from who accepted it. */
export type Direction = 0 | 1

const VERSION = 1
export const SID_BYTES = 16
export const FRAME_HEADER_BYTES = 52
const MAX_KIND = 5
/** Sequences and times are written in six bytes. */
const MAX_U48 = 2 ** 48 - 1

export interface FrameHeader {
  readonly kind: FrameKind
  readonly direction: Direction
  /** Whether a signed checkpoint stands before the body. */
  readonly checkpoint: boolean
  /** The session, as hexadecimal text. */
  readonly sid: string
  /** 1, 2, 3 … in each direction. */
  readonly seq: number
  /** Of an answer: the sequence of its request; else 0. */
  readonly re: number
  readonly ts: number
  /** Milliseconds from `ts` after which it is refused. */
  readonly life: number
  /** Up to here the other side's messages are covered by its checkpoints. */
  readonly acked: number
}

export interface Frame extends FrameHeader {
  /** The whole frame, and its two parts. */
  readonly bytes: Uint8Array
  readonly header: Uint8Array
  readonly sealed: Uint8Array
}

export function encodeFrameHeader(header: FrameHeader, sealedBytes: number): Uint8Array {
  const out = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  out[0] = VERSION
  out[1] = header.kind
  out[2] = header.direction
  out[3] = header.checkpoint ? 1 : 0
  out.write(header.sid, 4, SID_BYTES, 'hex')
  out.writeUIntBE(header.seq, 20, 6)
  out.writeUIntBE(header.re, 26, 6)
  out.writeUIntBE(Math.min(header.ts, MAX_U48), 32, 6)
  out.writeUInt32BE(header.life, 38)
  out.writeUIntBE(header.acked, 42, 6)
  out.writeUInt32BE(sealedBytes, 48)
  return out
}

export function joinFrame(header: Uint8Array, sealed: readonly Uint8Array[]): Uint8Array {
  return concat(header, ...sealed)
}

/**
 * What a header says, and how many sealed bytes follow it.
 * @throws AskeeError `session/malformed`
 */
export function readFrameHeader(bytes: Uint8Array): FrameHeader & { readonly sealedBytes: number } {
  if (bytes.byteLength < FRAME_HEADER_BYTES) throw malformed(`${bytes.byteLength} bytes`)
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [version, kind = 0, direction = 0, checkpoint = 0] = view
  if (version !== VERSION) throw malformed(`version ${version}`)
  if (kind < 1 || kind > MAX_KIND || direction > 1 || checkpoint > 1) throw malformed('an unknown kind')
  return {
    kind: kind as FrameKind,
    direction: direction as Direction,
    checkpoint: checkpoint === 1,
    sid: view.toString('hex', 4, 4 + SID_BYTES),
    seq: view.readUIntBE(20, 6),
    re: view.readUIntBE(26, 6),
    ts: view.readUIntBE(32, 6),
    life: view.readUInt32BE(38),
    acked: view.readUIntBE(42, 6),
    sealedBytes: view.readUInt32BE(48),
  }
}

/** @throws AskeeError `session/malformed`, `session/cut` */
export function parseFrame(bytes: Uint8Array): Frame {
  const { sealedBytes, ...header } = readFrameHeader(bytes)
  const sealed = bytes.subarray(FRAME_HEADER_BYTES)
  if (sealedBytes !== sealed.byteLength) {
    throw new AskeeError(
      'session/cut',
      `expected ${sealedBytes} bytes after the header, received ${sealed.byteLength}`,
    )
  }
  return { ...header, bytes, header: bytes.subarray(0, FRAME_HEADER_BYTES), sealed }
}

function malformed(what: string): AskeeError {
  return new AskeeError('session/malformed', `expected a message of a session, received ${what}`)
}
