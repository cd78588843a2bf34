import { AskeeError, fromUtf8, isErrorCode, utf8 } from '@askee/core'
import { MAX_FRAME_BYTES } from '../defaults.ts'

/**
 * Frames of a request stream, big endian:
 *
 *     u32 length of the rest | u8 kind | u32 id | payload
 *     1 request   u32 deadline in ms | u32 largest answer | u8 n | n bytes protocol name | body
 *     2 answer    body
 *     3 refusal   u8 origin (0 mesh, 1 handler) | u8 n | n bytes code
 *     4 cancel    nothing
 */
export const FRAME_KINDS = { request: 1, answer: 2, refusal: 3, cancel: 4 } as const

export const FRAME_HEADER_BYTES = 9
const REQUEST_HEADER_BYTES = 9
/** A frame is judged when this many bytes of it are there: more than any header. */
const PEEK_BYTES = FRAME_HEADER_BYTES + REQUEST_HEADER_BYTES + 255
/** A payload's buffer begins with this and grows with what arrived, not with what the header promised. */
const FIRST_BUFFER_BYTES = 64 * 1024
const MAX_CODE_BYTES = 64

/** The first part of a frame, enough to decide whether to read on. */
export interface FrameHead {
  readonly kind: number
  readonly id: number
  /** Bytes of the whole payload. */
  readonly payloadBytes: number
  /** The payload's first bytes. */
  readonly peek: Uint8Array
}

export interface RequestHead {
  readonly timeout: number
  readonly maxResponseBytes: number
  readonly protocol: string
  /** Where the body begins in the payload. */
  readonly bodyOffset: number
}

/** Header of a frame whose payload is `head` and then `bodyBytes` more. */
export function frameHead(kind: number, id: number, head: Uint8Array, bodyBytes: number): Uint8Array {
  const out = new Uint8Array(FRAME_HEADER_BYTES + head.byteLength)
  const view = new DataView(out.buffer)
  view.setUint32(0, 5 + head.byteLength + bodyBytes)
  view.setUint8(4, kind)
  view.setUint32(5, id)
  out.set(head, FRAME_HEADER_BYTES)
  return out
}

export function encodeRequestHead(protocol: string, timeout: number, maxResponseBytes: number): Uint8Array {
  const name = utf8(protocol)
  const out = new Uint8Array(REQUEST_HEADER_BYTES + name.byteLength)
  const view = new DataView(out.buffer)
  view.setUint32(0, Math.min(0xffff_ffff, Math.max(1, Math.round(timeout))))
  view.setUint32(4, Math.min(0xffff_ffff, maxResponseBytes))
  view.setUint8(8, name.byteLength)
  out.set(name, REQUEST_HEADER_BYTES)
  return out
}

/** @throws AskeeError `mesh/malformed` */
export function decodeRequestHead(peek: Uint8Array): RequestHead {
  if (peek.byteLength < REQUEST_HEADER_BYTES) throw malformed('a request shorter than its header')
  const view = new DataView(peek.buffer, peek.byteOffset, peek.byteLength)
  const bodyOffset = REQUEST_HEADER_BYTES + view.getUint8(8)
  if (peek.byteLength < bodyOffset) throw malformed('a request shorter than its protocol name')
  return {
    timeout: view.getUint32(0),
    maxResponseBytes: view.getUint32(4),
    protocol: Buffer.from(peek.buffer, peek.byteOffset + REQUEST_HEADER_BYTES, view.getUint8(8)).toString(
      'latin1',
    ),
    bodyOffset,
  }
}

export function encodeRefusal(origin: 'mesh' | 'handler', code: string): Uint8Array {
  const codeBytes = utf8(code).subarray(0, MAX_CODE_BYTES)
  const out = new Uint8Array(2 + codeBytes.byteLength)
  out[0] = origin === 'mesh' ? 0 : 1
  out[1] = codeBytes.byteLength
  out.set(codeBytes, 2)
  return out
}

/** @throws AskeeError `mesh/malformed` */
export function decodeRefusal(payload: Uint8Array): { origin: 'mesh' | 'handler'; code: string } {
  const length = payload[1]
  if (length === undefined || length > MAX_CODE_BYTES || payload.byteLength < 2 + length) {
    throw malformed('a refusal without a code')
  }
  const code = codeIn(payload.subarray(2, 2 + length))
  if (code === undefined) throw malformed('a refusal whose code is none')
  return { origin: payload[0] === 0 ? 'mesh' : 'handler', code }
}

function codeIn(bytes: Uint8Array): string | undefined {
  try {
    const text = fromUtf8(bytes)
    return isErrorCode(text) ? text : undefined
  } catch {
    return undefined
  }
}

export function malformed(what: string): AskeeError {
  return new AskeeError('mesh/malformed', `expected a well-formed frame, received ${what}`)
}

export interface FrameSink {
  /** Whether to collect the payload or to let it pass by unread. Called once for every frame. May throw. */
  open(head: FrameHead): 'keep' | 'skip'
  /** A kept frame is complete. The payload is the sink's own. May throw. */
  frame(head: FrameHead, payload: Uint8Array): void
}

/** Cuts a byte stream into frames, holding no more than twice what arrived of one kept frame. */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #peek = new Uint8Array(PEEK_BYTES)
  #peeked = 0
  #skip = 0
  /** Frames that have ended. */
  #ended = 0
  #size = 0
  #open: { head: FrameHead; payload: Uint8Array; filled: number } | undefined

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** The frame that has begun and not ended: its number in the stream, and its size as far as it is known. */
  get unfinished(): { frame: number; bytes: number } | undefined {
    if (this.#open !== undefined || this.#skip > 0) return { frame: this.#ended, bytes: this.#size }
    return this.#peeked > 0 ? { frame: this.#ended, bytes: PEEK_BYTES } : undefined
  }

  /** @throws AskeeError `mesh/malformed`, and what the sink throws; the stream is of no use afterwards */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#skip > 0) at += this.#skipSome(chunk.byteLength - at)
      else if (this.#open !== undefined) at += this.#fill(chunk.subarray(at))
      else if (this.#peeked === 0) at += this.#whole(chunk.subarray(at))
      else at += this.#gather(chunk.subarray(at))
    }
  }

  #skipSome(available: number): number {
    const taken = Math.min(this.#skip, available)
    this.#skip -= taken
    if (this.#skip === 0) this.#ended++
    return taken
  }

  #fill(rest: Uint8Array): number {
    const open = this.#open as { head: FrameHead; payload: Uint8Array; filled: number }
    const taken = Math.min(open.head.payloadBytes - open.filled, rest.byteLength)
    const needed = open.filled + taken
    if (needed > open.payload.byteLength) {
      const grown = new Uint8Array(
        Math.min(open.head.payloadBytes, Math.max(needed, 2 * open.payload.byteLength)),
      )
      grown.set(open.payload.subarray(0, open.filled))
      open.payload = grown
    }
    open.payload.set(rest.subarray(0, taken), open.filled)
    open.filled = needed
    if (needed === open.head.payloadBytes) {
      this.#open = undefined
      this.#ended++
      this.#sink.frame(open.head, open.payload)
    }
    return taken
  }

  /** The usual case: the whole frame stands in the chunk. */
  #whole(rest: Uint8Array): number {
    const total = totalBytes(rest)
    if (total === undefined || total > rest.byteLength) return this.#gather(rest)
    const frame = rest.subarray(0, total)
    const head = headOf(frame, total)
    this.#ended++
    // Copied, so that a small body does not keep a whole network buffer alive.
    if (this.#sink.open(head) === 'keep') {
      this.#sink.frame(head, new Uint8Array(frame.subarray(FRAME_HEADER_BYTES)))
    }
    return total
  }

  #gather(rest: Uint8Array): number {
    const known = totalBytes(this.#peek.subarray(0, this.#peeked))
    const wanted = known === undefined ? 4 : Math.min(known, PEEK_BYTES)
    const taken = Math.min(wanted - this.#peeked, rest.byteLength)
    this.#peek.set(rest.subarray(0, taken), this.#peeked)
    this.#peeked += taken
    const total = totalBytes(this.#peek.subarray(0, this.#peeked))
    if (total !== undefined && this.#peeked === Math.min(total, PEEK_BYTES)) this.#begin(total)
    return taken
  }

  #begin(total: number): void {
    const frame = this.#peek.slice(0, this.#peeked)
    this.#peeked = 0
    const head = headOf(frame, total)
    const first = frame.subarray(FRAME_HEADER_BYTES)
    const wanted = this.#sink.open(head) === 'keep'
    this.#size = total
    if (frame.byteLength === total) {
      this.#ended++
      if (wanted) this.#sink.frame(head, first)
    } else if (!wanted) {
      this.#skip = total - frame.byteLength
    } else {
      const payload = new Uint8Array(Math.min(head.payloadBytes, FIRST_BUFFER_BYTES))
      payload.set(first)
      this.#open = { head, payload, filled: first.byteLength }
    }
  }
}

/** Bytes of the frame that `bytes` begins, or undefined while its length is not there. */
function totalBytes(bytes: Uint8Array): number | undefined {
  if (bytes.byteLength < 4) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  if (length < 5 || length > MAX_FRAME_BYTES) throw malformed(`a frame of ${length} bytes`)
  return 4 + length
}

function headOf(frame: Uint8Array, total: number): FrameHead {
  const view = new DataView(frame.buffer, frame.byteOffset, FRAME_HEADER_BYTES)
  return {
    kind: view.getUint8(4),
    id: view.getUint32(5),
    payloadBytes: total - FRAME_HEADER_BYTES,
    peek: frame.subarray(FRAME_HEADER_BYTES, PEEK_BYTES),
  }
}
