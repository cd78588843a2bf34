import { createHash } from 'node:crypto'
import { AskeeError, concat, utf8 } from '@askee/core'
import type { Checkpoint } from './executor.ts'

const MAGIC = utf8('ASKEECKP')
const VERSION = 1
const DIGEST_BYTES = 32
const HEADER_BYTES = MAGIC.byteLength + 2 + 2 * DIGEST_BYTES
const PAGE_BYTES = 65_536
const BLOCK_BYTES = 4096
const BLOCKS_PER_PAGE = PAGE_BYTES / BLOCK_BYTES
const WORD_BYTES = 8

/** What a state must fit to be resumed. */
export interface StateBounds {
  readonly stateWords: number
  readonly fuel: bigint
  readonly outputBytes: number
  readonly minimumMemoryBytes: number
  readonly maximumMemoryBytes: number
}

/** Puts a runner's state in its envelope. See FRAMES.md. */
export function sealCheckpoint(module: Uint8Array, input: Uint8Array, state: Uint8Array): Checkpoint {
  const version = new Uint8Array(2)
  new DataView(version.buffer).setUint16(0, VERSION, true)
  const content = concat(MAGIC, version, sha256(module), sha256(input), state)
  return concat(content, sha256(content))
}

/**
 * Checks an envelope and its state and takes the state out.
 * @throws AskeeError `sandbox/checkpoint` when it is damaged, of another module or input, or not canonical
 */
export function openCheckpoint(
  checkpoint: Checkpoint,
  module: Uint8Array,
  input: Uint8Array,
  bounds: StateBounds,
): Uint8Array {
  const end = checkpoint.byteLength - DIGEST_BYTES
  if (end < HEADER_BYTES) throw bad(`expected at least ${HEADER_BYTES + DIGEST_BYTES} bytes`)
  const content = checkpoint.subarray(0, end)
  if (!same(sha256(content), checkpoint.subarray(end))) throw bad('the digest differs: it is damaged')
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  if (!same(content.subarray(0, 8), MAGIC)) throw bad('expected the magic ASKEECKP')
  if (view.getUint16(8, true) !== VERSION) throw bad(`expected version ${VERSION}`)
  if (!same(content.subarray(10, 42), sha256(module))) throw bad('it belongs to another module')
  if (!same(content.subarray(42, 74), sha256(input))) throw bad('it belongs to another input')
  const state = content.slice(HEADER_BYTES)
  checkState(state, bounds)
  return state
}

/** Fuel used up to the state's moment. */
export function stateFuel(state: Uint8Array): bigint {
  return new DataView(state.buffer, state.byteOffset, state.byteLength).getBigUint64(0, true)
}

/**
 * Checks that `state` is the one canonical encoding of a state within `bounds`.
 * @throws AskeeError `sandbox/checkpoint`
 */
export function checkState(state: Uint8Array, bounds: StateBounds): void {
  const cursor = new Cursor(state)
  const fuel = cursor.u64()
  if (fuel > bounds.fuel) throw bad(`expected fuel up to ${bounds.fuel}, received ${fuel}`)
  const words = cursor.u32()
  if (words !== bounds.stateWords)
    throw bad(`expected ${bounds.stateWords} words of state, received ${words}`)
  cursor.take(words * WORD_BYTES)
  const output = cursor.u32()
  if (output > bounds.outputBytes)
    throw bad(`expected output up to ${bounds.outputBytes}, received ${output}`)
  cursor.take(output)
  const pages = cursor.u32()
  const bytes = pages * PAGE_BYTES
  if (bytes < bounds.minimumMemoryBytes || bytes > bounds.maximumMemoryBytes) {
    throw bad(`the module cannot have a memory of ${pages} pages`)
  }
  checkRuns(cursor, pages * BLOCKS_PER_PAGE)
  cursor.expectEnd()
}

function checkRuns(cursor: Cursor, blocks: number): void {
  const zeroBlock = new Uint8Array(BLOCK_BYTES)
  let seen = 0
  while (seen < blocks) {
    const zeros = cursor.u32()
    const data = cursor.u32()
    const isFirst = seen === 0
    seen += zeros + data
    if (seen > blocks) throw bad('its runs are longer than the memory')
    if ((zeros === 0 && !isFirst) || (data === 0 && seen !== blocks)) throw bad('its runs are not canonical')
    const bytes = cursor.take(data * BLOCK_BYTES)
    for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES) {
      if (same(bytes.subarray(at, at + BLOCK_BYTES), zeroBlock))
        throw bad('it holds a block of zeros as data')
    }
  }
}

class Cursor {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.byteLength - this.#offset) throw bad('it ends too early')
    this.#offset += length
    return this.#bytes.subarray(this.#offset - length, this.#offset)
  }

  u32(): number {
    this.take(4)
    return this.#view.getUint32(this.#offset - 4, true)
  }

  u64(): bigint {
    this.take(8)
    return this.#view.getBigUint64(this.#offset - 8, true)
  }

  expectEnd(): void {
    if (this.#offset !== this.#bytes.byteLength) throw bad('bytes follow its end')
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function bad(text: string): AskeeError {
  return new AskeeError('sandbox/checkpoint', `bad checkpoint: ${text}`)
}
