import { AskeeError, errorText, type NodeId, type Timers } from '@askee/core'
import type { Stream } from '@libp2p/interface'
import {
  MAX_REQUEST_TIMEOUT_MS,
  MAX_SERVED_AT_ONCE,
  OFFENCE_MALFORMED,
  OFFENCE_REFUSED,
} from '../defaults.ts'
import type { Offences } from '../offences.ts'
import { FrameWriter } from './frame-writer.ts'
import {
  decodeRequestHead,
  encodeRefusal,
  FRAME_KINDS,
  type FrameHead,
  FrameReader,
  type FrameSink,
  frameHead,
  malformed,
} from './frames.ts'
import { type Answer, meshRefusal, type Serving } from './serving.ts'

const NOTHING = new Uint8Array(0)

/** The answering end of one request stream. */
export class InboundRequests implements FrameSink {
  readonly #from: NodeId
  readonly #stream: Stream
  readonly #serving: Serving
  readonly #offences: Offences
  readonly #timers: Timers
  readonly #writer: FrameWriter
  readonly #running = new Map<number, AbortController>()

  constructor(from: NodeId, stream: Stream, serving: Serving, offences: Offences, timers: Timers) {
    this.#from = from
    this.#stream = stream
    this.#serving = serving
    this.#offences = offences
    this.#timers = timers
    this.#writer = new FrameWriter(stream)
    const reader = new FrameReader(this)
    stream.addEventListener('message', (event) => {
      try {
        const { data } = event
        reader.push(data instanceof Uint8Array ? data : data.subarray())
        this.#yieldToWriter()
      } catch (error) {
        offences.note(from, OFFENCE_MALFORMED, errorText(error))
        stream.abort(error instanceof Error ? error : new Error(String(error)))
      }
    })
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => undefined))
    stream.addEventListener('close', () => {
      this.abortAll(new AskeeError('mesh/unreachable', `${from} closed the stream`))
    })
  }

  abortAll(reason: AskeeError): void {
    for (const controller of this.#running.values()) controller.abort(reason)
  }

  open(head: FrameHead): 'keep' | 'skip' {
    if (head.kind === FRAME_KINDS.cancel) return 'keep'
    if (head.kind !== FRAME_KINDS.request) throw malformed(`kind ${head.kind} from a requester`)
    if (this.#running.has(head.id)) throw malformed(`a second request ${head.id}`)
    const request = decodeRequestHead(head.peek)
    const refusal =
      this.#running.size >= MAX_SERVED_AT_ONCE
        ? meshRefusal('mesh/rate-limited', 'too many requests at once')
        : this.#serving.refusal(request.protocol, head.payloadBytes - request.bodyOffset)
    if (refusal === undefined) return 'keep'
    // The body still crosses the wire, so asking wrongly again and again is a flood.
    this.#offences.note(this.#from, OFFENCE_REFUSED, `requests for ${request.protocol} refused at the door`)
    this.#reply(head.id, refusal)
    return 'skip'
  }

  frame(head: FrameHead, payload: Uint8Array): void {
    if (head.kind === FRAME_KINDS.cancel) {
      this.#running.get(head.id)?.abort(new AskeeError('mesh/timeout', 'the requester waits no longer'))
      return
    }
    const request = decodeRequestHead(head.peek)
    const controller = new AbortController()
    const timeout = Math.min(request.timeout, MAX_REQUEST_TIMEOUT_MS)
    const cancelTimer = this.#timers.after(timeout, () =>
      controller.abort(new AskeeError('mesh/timeout', `the deadline of ${timeout} ms has passed`)),
    )
    this.#running.set(head.id, controller)
    const body = payload.subarray(request.bodyOffset)
    void this.#serving
      .answer(this.#from, request.protocol, body, request.maxResponseBytes, controller.signal)
      .then((answer) => {
        cancelTimer()
        this.#running.delete(head.id)
        if (!controller.signal.aborted) this.#reply(head.id, answer)
      })
  }

  #reply(id: number, answer: Answer): void {
    if ('body' in answer) {
      this.#writer.write(frameHead(FRAME_KINDS.answer, id, NOTHING, answer.body.byteLength), answer.body)
    } else {
      const refusal = encodeRefusal(answer.origin, answer.code, answer.text)
      this.#writer.write(frameHead(FRAME_KINDS.refusal, id, refusal, 0))
    }
  }

  /** A peer that does not read its answers gets no more requests read. */
  #yieldToWriter(): void {
    if (!this.#writer.full || this.#stream.readStatus !== 'readable') return
    this.#stream.pause()
    const resume = (): void => {
      if (this.#stream.readStatus === 'paused') this.#stream.resume()
    }
    // Resuming throws when the connection has gone meanwhile; then there is nothing left to read.
    this.#writer
      .room()
      .then(resume)
      .catch(() => undefined)
  }
}
