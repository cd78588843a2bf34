import { AskeeError } from '@askee/core'

/** Bytes before every payload: magic `AK`, version, type, u32 length (little endian). See FRAMES.md. */
const FRAME_HEADER_BYTES = 8
const FRAME_VERSION = 1
const MAGIC_0 = 0x41
const MAGIC_1 = 0x4b

export const FRAME_TYPES = {
  hello: 1,
  load: 2,
  input: 3,
  checkpoint: 4,
  go: 5,
  suspend: 6,
  progress: 7,
  log: 8,
  result: 9,
  fault: 10,
} as const

export type FrameName = keyof typeof FRAME_TYPES
/** Numbers of the frames of one conversation. */
export type FrameTypes<Name extends string> = { readonly [name in Name]: number }
/** Which frames may come now, and how many payload bytes each may have. */
export type FrameCaps<Name extends string = FrameName> = { readonly [name in Name]?: number }

export interface Frame<Name extends string = FrameName> {
  readonly name: Name
  readonly payload: Uint8Array
}

/** A payload's buffer grows with what arrived, not with what the header promised. */
const FIRST_BUFFER_BYTES = 64 * 1024

/** Header of a frame of FRAMES.md with `length` payload bytes. */
export function frameHeader(name: FrameName, length: number): Uint8Array {
  return headerOf(FRAME_TYPES[name], length)
}

/** Header of a frame of any type. */
export function headerOf(type: number, length: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  header[0] = MAGIC_0
  header[1] = MAGIC_1
  header[2] = FRAME_VERSION
  header[3] = type
  new DataView(header.buffer).setUint32(4, length, true)
  return header
}

/** A whole frame as one array. */
export function encodeFrame(name: FrameName, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.byteLength)
  frame.set(frameHeader(name, payload.byteLength))
  frame.set(payload, FRAME_HEADER_BYTES)
  return frame
}

/**
 * Cuts a stream of bytes into frames. Holds at most twice one allowed payload. What is allowed can change after each
 * frame, so that order is checked here too.
 */
export class FrameReader<Name extends string = FrameName> {
  #caps: FrameCaps<Name>
  readonly #names: ReadonlyMap<number, Name>
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerFilled = 0
  #name: Name | null = null
  #payload = new Uint8Array(0)
  #length = 0
  #filled = 0

  /** @param types must name all that `caps` names; those of FRAMES.md unless told */
  constructor(caps: FrameCaps<Name>, types: FrameTypes<string> = FRAME_TYPES) {
    const named = Object.entries(types) as [Name, number][]
    this.#names = new Map(named.map(([name, type]) => [type, name]))
    this.#caps = caps
  }

  /** From the next header on only these frames are allowed. */
  allow(caps: FrameCaps<Name>): void {
    this.#caps = caps
  }

  /**
   * Frames that `chunk` completes, one at a time, so that the consumer can call `allow` between two.
   * @throws AskeeError `sandbox/frame` on anything FRAMES.md does not allow; the reader is of no use afterwards
   */
  *push(chunk: Uint8Array): Generator<Frame<Name>, void, void> {
    let offset = 0
    while (offset < chunk.byteLength || this.#isComplete()) {
      if (this.#name !== null && this.#isComplete()) {
        const payload =
          this.#payload.byteLength === this.#length ? this.#payload : this.#payload.slice(0, this.#length)
        this.#headerFilled = 0
        this.#payload = new Uint8Array(0)
        yield { name: this.#name, payload }
        continue
      }
      if (this.#headerFilled < FRAME_HEADER_BYTES) {
        const part = chunk.subarray(offset, offset + FRAME_HEADER_BYTES - this.#headerFilled)
        this.#header.set(part, this.#headerFilled)
        this.#headerFilled += part.byteLength
        offset += part.byteLength
        if (this.#headerFilled === FRAME_HEADER_BYTES) this.#readHeader()
      } else {
        const part = chunk.subarray(offset, offset + this.#length - this.#filled)
        this.#append(part)
        offset += part.byteLength
      }
    }
  }

  #isComplete(): boolean {
    return this.#headerFilled === FRAME_HEADER_BYTES && this.#filled === this.#length
  }

  #readHeader(): void {
    const header = this.#header
    if (header[0] !== MAGIC_0 || header[1] !== MAGIC_1 || header[2] !== FRAME_VERSION) {
      throw violation(
        `expected magic 41 4b 01, received ${Buffer.from(header.subarray(0, 3)).toString('hex')}`,
      )
    }
    const name = this.#names.get(header[3]!)
    const cap = name === undefined ? undefined : this.#caps[name]
    if (name === undefined || cap === undefined) {
      throw violation(
        `expected one of ${Object.keys(this.#caps).join(', ')}, received type ${header[3]} (${name ?? 'unknown'})`,
      )
    }
    const length = new DataView(header.buffer).getUint32(4, true)
    if (length > cap)
      throw violation(`expected at most ${cap} bytes of ${name}, received a length of ${length}`)
    this.#name = name
    this.#length = length
    this.#filled = 0
    this.#payload = new Uint8Array(Math.min(length, FIRST_BUFFER_BYTES))
  }

  #append(part: Uint8Array): void {
    const needed = this.#filled + part.byteLength
    if (needed > this.#payload.byteLength) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(needed, this.#payload.byteLength * 2)))
      grown.set(this.#payload.subarray(0, this.#filled))
      this.#payload = grown
    }
    this.#payload.set(part, this.#filled)
    this.#filled = needed
  }
}

function violation(text: string): AskeeError {
  return new AskeeError('sandbox/frame', `malformed frame: ${text}`)
}
