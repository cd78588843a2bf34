import { AskeeError, errorText, type NodeId, type RequestOptions, type Timers } from '@askee/core'
import type { Stream } from '@libp2p/interface'
import { OFFENCE_LIE, OFFENCE_MALFORMED, REQUEST_TIMEOUT_MS, RESPONSE_BYTES } from '../defaults.ts'
import { refusedError } from '../errors.ts'
import type { Offences } from '../offences.ts'
import { FrameWatch } from './frame-watch.ts'
import { FrameWriter } from './frame-writer.ts'
import {
  decodeRefusal,
  encodeRequestHead,
  FRAME_KINDS,
  type FrameHead,
  FrameReader,
  type FrameSink,
  frameHead,
  malformed,
} from './frames.ts'

interface Pending {
  readonly protocol: string
  readonly maxResponseBytes: number
  resolve(body: Uint8Array): void
  reject(error: unknown): void
}

/** The asking end of one request stream; many requests share it, told apart by their ids. */
export class RequestChannel implements FrameSink {
  readonly #to: NodeId
  readonly #stream: Stream
  readonly #timers: Timers
  readonly #offences: Offences
  readonly #writer: FrameWriter
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #closed: AskeeError | undefined

  constructor(to: NodeId, stream: Stream, offences: Offences, timers: Timers) {
    this.#to = to
    this.#stream = stream
    this.#timers = timers
    this.#offences = offences
    const reader = new FrameReader(this)
    // What was asked and is not taken would pile up here, request after request.
    this.#writer = new FrameWriter(stream, timers, (what) => {
      watch.stop()
      this.#fail(new AskeeError('mesh/unreachable', `${to}: ${what}`))
      stream.abort(new Error(what))
    })
    const offend = (error: unknown): void => {
      watch.stop()
      const failure = error instanceof AskeeError ? error : malformed(errorText(error))
      if (failure.code === 'mesh/malformed') offences.note(to, OFFENCE_MALFORMED, failure.message)
      this.#fail(new AskeeError('mesh/unreachable', `${to} broke the protocol`, {}, { cause: failure }))
      stream.abort(failure)
    }
    // A half-sent answer would hold up every later one of this stream.
    const watch = new FrameWatch(reader, timers, (what) => offend(malformed(what)))
    stream.addEventListener('message', (event) => {
      try {
        const { data } = event
        reader.push(data instanceof Uint8Array ? data : data.subarray())
        watch.look()
      } catch (error) {
        offend(error)
      }
    })
    const lost = (): void => {
      watch.stop()
      this.close(new AskeeError('mesh/unreachable', `the connection to ${to} was lost`))
    }
    stream.addEventListener('remoteCloseWrite', lost)
    stream.addEventListener('close', lost)
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** Ends the stream; waiting requests fail with `reason`. */
  close(reason: AskeeError): void {
    this.#fail(reason)
    void this.#stream.close().catch(() => undefined)
  }

  async request(protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (this.#closed !== undefined) throw this.#closed
    options.signal?.throwIfAborted()
    const id = this.#nextId
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1
    const timeout = options.timeout ?? REQUEST_TIMEOUT_MS
    const maxResponseBytes = options.maxResponseBytes ?? RESPONSE_BYTES
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const giveUp = (reason: unknown): void => {
      if (!this.#pending.delete(id)) return
      this.#writer.write(frameHead(FRAME_KINDS.cancel, id, new Uint8Array(0), 0))
      reject(reason)
    }
    const cancelTimer = this.#timers.after(timeout, () =>
      giveUp(new AskeeError('mesh/timeout', `${this.#to} did not answer ${protocol} within ${timeout} ms`)),
    )
    const onAbort = (): void => giveUp(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#pending.set(id, { protocol, maxResponseBytes, resolve, reject })
    const head = encodeRequestHead(protocol, timeout, maxResponseBytes)
    this.#writer.write(frameHead(FRAME_KINDS.request, id, head, body.byteLength), body)
    try {
      return await promise
    } finally {
      cancelTimer()
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  open(head: FrameHead): 'keep' | 'skip' {
    if (head.kind === FRAME_KINDS.refusal) {
      if (head.payloadBytes > 1024) throw malformed(`a refusal of ${head.payloadBytes} bytes`)
      return 'keep'
    }
    if (head.kind !== FRAME_KINDS.answer) throw malformed(`kind ${head.kind} from a responder`)
    const pending = this.#pending.get(head.id)
    // Answered too late, or never asked: it passes by unread.
    if (pending === undefined) return 'skip'
    if (head.payloadBytes <= pending.maxResponseBytes) return 'keep'
    this.#pending.delete(head.id)
    const error = new AskeeError(
      'mesh/too-large',
      `answer: expected at most ${pending.maxResponseBytes} bytes, ${this.#to} sends ${head.payloadBytes}`,
    )
    pending.reject(error)
    this.#offences.note(this.#to, OFFENCE_LIE, 'an answer larger than asked for')
    // Reading on to throw it away would be paying for the lie.
    throw error
  }

  frame(head: FrameHead, payload: Uint8Array): void {
    const pending = this.#pending.get(head.id)
    if (pending === undefined) return
    this.#pending.delete(head.id)
    if (head.kind === FRAME_KINDS.answer) pending.resolve(payload)
    else {
      const { origin, code } = decodeRefusal(payload)
      pending.reject(refusedError(this.#to, pending.protocol, origin, code))
    }
  }

  #fail(error: AskeeError): void {
    this.#closed ??= error
    const waiting = [...this.#pending.values()]
    this.#pending.clear()
    for (const pending of waiting) pending.reject(error)
  }
}
