import {
  AskeeError,
  type BlockOptions,
  type BlockStore,
  type Clock,
  type Digest,
  digestOf,
  errorText,
  type Logger,
  type NodeId,
  type RequestOptions,
  type Timers,
} from '@askee/core'
import {
  BLOCK_CHUNK_BYTES,
  BLOCK_CHUNK_TIMEOUT_MS,
  BLOCK_PATIENCE_MS,
  BLOCK_PIPELINE,
  BLOCK_RETRY_MAX_MS,
  BLOCK_RETRY_MS,
  BLOCKS_AT_ONCE,
  MAX_BLOCK_BYTES,
  OFFENCE_LIE,
} from '../defaults.ts'
import type { Offences } from '../offences.ts'
import { BLOCK_LIMITS, decodeBlockAnswer, encodeBlockRequest } from './protocol.ts'
import { type GoAlone, Turns } from './turns.ts'

export interface BlocksComponents {
  readonly blocks: BlockStore
  readonly offences: Offences
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly request: (to: NodeId, body: Uint8Array, options: RequestOptions) => Promise<Uint8Array>
}

/** With these a provider sent nothing of a block. */
const WITHOUT_BYTES = ['mesh/not-found', 'mesh/rate-limited', 'mesh/unreachable', 'mesh/refused']

/** How one block is fetched. */
type Fetching = BlockOptions & Required<Pick<BlockOptions, 'maxBytes' | 'admit'>>

/** Blocks between this node and others. */
export class Blocks {
  readonly #components: BlocksComponents
  readonly #turns = new Turns(BLOCKS_AT_ONCE)

  constructor(components: BlocksComponents) {
    this.#components = components
  }

  /** Keeps a block. */
  async put(bytes: Uint8Array): Promise<Digest> {
    if (bytes.byteLength > MAX_BLOCK_BYTES) {
      throw new AskeeError(
        'mesh/too-large',
        `expected at most ${MAX_BLOCK_BYTES} bytes, received ${bytes.byteLength}`,
      )
    }
    return this.#components.blocks.put(bytes)
  }

  /** See Mesh.getBlock. */
  async get(digest: Digest, options: BlockOptions = {}): Promise<Uint8Array> {
    const maxBytes = Math.min(options.maxBytes ?? MAX_BLOCK_BYTES, MAX_BLOCK_BYTES)
    const held = await this.#components.blocks.get(digest)
    if (held !== undefined) {
      if (held.byteLength > maxBytes) throw tooLarge(digest, maxBytes, held.byteLength)
      await options.admit?.(held.byteLength)
      return held
    }
    let failure: unknown
    let refusal: { readonly cause: unknown } | undefined
    const admit = async (bytes: number): Promise<void> => {
      try {
        await options.admit?.(bytes)
      } catch (cause) {
        refusal = { cause }
        throw cause
      }
    }
    for (const provider of new Set(options.providers)) {
      try {
        return await this.#keep(await this.#fetch(provider, digest, { ...options, maxBytes, admit }))
      } catch (error) {
        options.signal?.throwIfAborted()
        // Another provider's block would be as large.
        if (refusal !== undefined) throw refusal.cause
        // That one did not have it says less than that another could not be asked, or has too much.
        if (failure === undefined || !isCoded(error, 'mesh/not-found')) failure = error
      }
    }
    throw (
      failure ?? new AskeeError('mesh/not-found', `${digest} is not here, and nobody was named who has it`)
    )
  }

  async #keep(bytes: Uint8Array): Promise<Uint8Array> {
    await this.#components.blocks.put(bytes).catch((error: unknown) => {
      this.#components.logger.warn({ error: errorText(error) }, 'a fetched block could not be kept')
    })
    return bytes
  }

  async #fetch(from: NodeId, digest: Digest, options: Fetching): Promise<Uint8Array> {
    const { maxBytes } = options
    const first = await this.#chunk(from, digest, 0, Math.min(BLOCK_CHUNK_BYTES, maxBytes), options)
    if (first.total > maxBytes) throw tooLarge(digest, maxBytes, first.total)
    await options.admit(first.total)
    const block = new Uint8Array(first.total)
    const place = (offset: number, chunk: Uint8Array, total: number): void => {
      const expected = Math.min(BLOCK_CHUNK_BYTES, block.byteLength - offset)
      if (total !== block.byteLength || chunk.byteLength !== expected) throw this.#lie(from, digest)
      block.set(chunk, offset)
    }
    place(0, first.chunk, first.total)
    let next = BLOCK_CHUNK_BYTES
    const worker = async (): Promise<void> => {
      while (next < block.byteLength) {
        const offset = next
        next += BLOCK_CHUNK_BYTES
        try {
          const most = Math.min(BLOCK_CHUNK_BYTES, block.byteLength - offset)
          const { chunk, total } = await this.#chunk(from, digest, offset, most, options)
          place(offset, chunk, total)
        } catch (error) {
          next = block.byteLength
          throw error
        }
      }
    }
    await Promise.all(Array.from({ length: BLOCK_PIPELINE }, worker))
    if (digestOf(block) !== digest) throw this.#lie(from, digest)
    return block
  }

  async #chunk(
    from: NodeId,
    digest: Digest,
    offset: number,
    most: number,
    { signal, pace }: Fetching,
  ): Promise<{ total: number; chunk: Uint8Array }> {
    const body = encodeBlockRequest(digest, offset)
    // Before a turn is taken: who must go slowly holds up nobody else.
    const came = await pace?.(most)
    let answer: Uint8Array
    try {
      answer = await this.#turns.run(from, signal, (goAlone) =>
        this.#ask(from, digest, body, { signal, goAlone }),
      )
    } catch (error) {
      // Of an answer that was broken off nobody knows how much of it came.
      came?.(WITHOUT_BYTES.some((code) => isCoded(error, code)) ? 0 : most)
      throw error
    }
    came?.(answer.byteLength)
    const decoded = decodeBlockAnswer(answer)
    if (decoded === undefined) throw this.#lie(from, digest)
    return decoded
  }

  /**
   * Asks again, ever later, while the provider says that it is too much at once: it is there, and may give no more than its
   * owner allows. Then one chunk at a time is asked of it, each with the whole patience: several at once would share a narrow
   * line until none of them came in time. Silence is waited for less long.
   */
  async #ask(
    from: NodeId,
    digest: Digest,
    body: Uint8Array,
    { signal, goAlone }: { readonly signal: AbortSignal | undefined; readonly goAlone: GoAlone },
  ): Promise<Uint8Array> {
    const { request, clock, timers } = this.#components
    let deadline = clock.monotonic() + BLOCK_PATIENCE_MS
    for (let wait = BLOCK_RETRY_MS; ; wait = Math.min(2 * wait, BLOCK_RETRY_MAX_MS)) {
      try {
        return await request(from, body, {
          timeout: Math.min(BLOCK_CHUNK_TIMEOUT_MS, deadline - clock.monotonic()),
          maxResponseBytes: BLOCK_LIMITS.maxResponseBytes,
          ...(signal === undefined ? {} : { signal }),
        })
      } catch (error) {
        const failure = providerError(from, digest, error)
        if (!isCoded(failure, 'mesh/rate-limited') || clock.monotonic() + wait >= deadline) throw failure
      }
      if (await goAlone()) deadline = clock.monotonic() + BLOCK_PATIENCE_MS
      await timers.sleep(wait, signal)
    }
  }

  #lie(from: NodeId, digest: Digest): AskeeError {
    this.#components.offences.note(from, OFFENCE_LIE, 'a block that is not what it claims to be')
    return new AskeeError('mesh/not-found', `${from} answered other bytes than block ${digest}`)
  }
}

/** A handler's refusal under the mesh code that the provider meant. */
function providerError(from: NodeId, digest: Digest, error: unknown): unknown {
  if (!isCoded(error, 'mesh/refused')) return error
  const { code } = error.details as { code?: unknown }
  return code === 'mesh/rate-limited' || code === 'mesh/not-found'
    ? new AskeeError(code, `${from} does not give block ${digest}`, {}, { cause: error })
    : error
}

function isCoded(error: unknown, code: string): error is AskeeError {
  return error instanceof AskeeError && error.code === code
}

function tooLarge(digest: Digest, expected: number, received: number): AskeeError {
  return new AskeeError(
    'mesh/too-large',
    `block ${digest}: expected at most ${expected} bytes, it has ${received}`,
  )
}
