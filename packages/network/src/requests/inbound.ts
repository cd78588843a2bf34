import { AskeeError, errorText, type NodeId, type Timers } from '@askee/core'
import type { Stream } from '@libp2p/interface'
import {
  MAX_REQUEST_TIMEOUT_MS,
  MAX_SERVED_AT_ONCE,
  OFFENCE_MALFORMED,
  OFFENCE_OVER_RATE,
  OFFENCE_REFUSED,
} from '../defaults.ts'
import type { Offences } from '../offences.ts'
import { FrameWatch } from './frame-watch.ts'
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
import { Inflow } from './inflow.ts'
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
  readonly #inflow: Inflow
  readonly #watch: FrameWatch
  readonly #running = new Map<number, AbortController>()
  /** Gives back the room of the request that is arriving. */
  #release: () => void = () => {}

  /** @param inflow what all streams share; default: this stream alone */
  constructor(
    from: NodeId,
    stream: Stream,
    serving: Serving,
    offences: Offences,
    timers: Timers,
    inflow: Inflow = new Inflow(),
  ) {
    this.#from = from
    this.#stream = stream
    this.#serving = serving
    this.#offences = offences
    this.#timers = timers
    this.#inflow = inflow
    this.#writer = new FrameWriter(stream, timers, (what) => stream.abort(new Error(what)))
    const reader = new FrameReader(this)
    const offend = (error: unknown): void => {
      this.#watch.stop()
      this.#release()
      offences.note(from, OFFENCE_MALFORMED, errorText(error))
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
    this.#watch = new FrameWatch(reader, timers, (what) => offend(malformed(what)))
    stream.addEventListener('message', (event) => {
      try {
        const { data } = event
        reader.push(data instanceof Uint8Array ? data : data.subarray())
        this.#watch.look()
        this.#yieldToWriter()
      } catch (error) {
        offend(error)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => undefined))
    stream.addEventListener('close', () => {
      this.#watch.stop()
      this.#release()
      this.abortAll(new AskeeError('mesh/unreachable', `${from} closed the stream`))
    })
  }

  abortAll(reason: AskeeError): void {
    for (const controller of this.#running.values()) controller.abort(reason)
  }

  open(head: FrameHead): 'keep' | 'skip' {
    if (head.kind === FRAME_KINDS.cancel) {
      if (head.payloadBytes > 0) throw malformed(`a cancel with ${head.payloadBytes} bytes`)
      return 'keep'
    }
    if (head.kind !== FRAME_KINDS.request) throw malformed(`kind ${head.kind} from a requester`)
    if (this.#running.has(head.id)) throw malformed(`a second request ${head.id}`)
    const request = decodeRequestHead(head.peek)
    const refusal =
      this.#running.size >= MAX_SERVED_AT_ONCE
        ? meshRefusal('mesh/rate-limited')
        : this.#serving.refusal(request.protocol, head.payloadBytes - request.bodyOffset)
    if (refusal === undefined) return this.#takeRoom(head)
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
    const release = this.#release
    this.#release = () => {}
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
        release()
        this.#running.delete(head.id)
        if (!controller.signal.aborted) this.#reply(head.id, answer)
      })
  }

  #takeRoom(head: FrameHead): 'keep' | 'skip' {
    const release = this.#inflow.take(this.#from, head.payloadBytes)
    if (release !== undefined) {
      this.#release = release
      return 'keep'
    }
    this.#offences.note(this.#from, OFFENCE_OVER_RATE, 'more bytes at once than allowed')
    this.#reply(head.id, meshRefusal('mesh/rate-limited'))
    return 'skip'
  }

  #reply(id: number, answer: Answer): void {
    if ('body' in answer) {
      this.#writer.write(frameHead(FRAME_KINDS.answer, id, NOTHING, answer.body.byteLength), answer.body)
    } else {
      const refusal = encodeRefusal(answer.origin, answer.code)
      this.#writer.write(frameHead(FRAME_KINDS.refusal, id, refusal, 0))
    }
  }

  /** A peer that does not read its answers gets no more requests read. */
  #yieldToWriter(): void {
    if (!this.#writer.full || this.#stream.readStatus !== 'readable') return
    this.#stream.pause()
    // What is not read cannot end.
    this.#watch.stop()
    const resume = (): void => {
      if (this.#stream.readStatus !== 'paused') return
      this.#stream.resume()
      this.#watch.look()
    }
    // Resuming throws when the connection has gone meanwhile; then there is nothing left to read.
    this.#writer
      .room()
      .then(resume)
      .catch(() => undefined)
  }
}
