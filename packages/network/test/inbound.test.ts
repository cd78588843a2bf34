import {
  AskeeError,
  concat,
  type NodeId,
  type ProtocolLimits,
  type ProtocolName,
  silentLogger,
} from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import type { Stream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import {
  FAIR_INFLOW_BYTES,
  FRAME_TIMEOUT_MS,
  MAX_FRAME_BYTES,
  MAX_INFLOW_BYTES,
  MAX_PEER_INFLOW_BYTES,
  OFFENCE_LIMIT,
  OFFENCE_MALFORMED,
  SLOWEST_BYTES_PER_SECOND,
} from '../src/defaults.ts'
import { Offences } from '../src/offences.ts'
import { RequestChannel } from '../src/requests/channel.ts'
import { encodeRequestHead, FRAME_KINDS, frameHead } from '../src/requests/frames.ts'
import { InboundRequests } from '../src/requests/inbound.ts'
import { Inflow } from '../src/requests/inflow.ts'
import { Serving } from '../src/requests/serving.ts'

const peer = 'peer' as NodeId
const UPLOAD: ProtocolName = '/askee/test/upload/1'
const LIMITS: ProtocolLimits = {
  maxRequestBytes: MAX_PEER_INFLOW_BYTES,
  maxResponseBytes: 10,
  ratePerSecond: 1000,
  burst: 1000,
  concurrency: 1000,
}

/** One end of a stream: what a test sends arrives as a message. */
class StreamEnd extends EventTarget {
  readStatus = 'readable'
  aborted: string | undefined
  readonly sent: Uint8Array[] = []
  /** Whether the other end takes what is sent. */
  reads = true
  send(bytes: Uint8Array): boolean {
    this.sent.push(bytes)
    return this.reads
  }
  onDrain(): Promise<void> {
    return new Promise(() => {})
  }
  abort(error: Error): void {
    this.aborted = error.message
    this.readStatus = 'closed'
  }
  async close(): Promise<void> {}
  arrive(bytes: Uint8Array): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: bytes }))
  }
}

function answering(inflow?: Inflow) {
  const time = new VirtualTime()
  const offences = new Offences(time, silentLogger)
  const serving = new Serving(time, silentLogger, offences)
  const gate = Promise.withResolvers<void>()
  serving.handle(UPLOAD, LIMITS, async () => {
    await gate.promise
    return new Uint8Array(1)
  })
  const stream = () => {
    const end = new StreamEnd()
    new InboundRequests(peer, end as unknown as Stream, serving, offences, time, inflow)
    return end
  }
  return { time, offences, stream, gate }
}

const upload = (id: number, bytes: number): Uint8Array =>
  frameHead(FRAME_KINDS.request, id, encodeRequestHead(UPLOAD, 600_000, 10), bytes)
const refused = (end: StreamEnd): boolean => Buffer.concat(end.sent).includes('mesh/rate-limited')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('requests that cost more than they send', () => {
  it('NET-5 a peer that reads no answers is cut off, and what waited for it is let go', async () => {
    const { time, stream, gate } = answering()
    const end = stream()
    end.reads = false
    gate.resolve()
    end.arrive(concat(upload(1, 10), new Uint8Array(10)))
    await turn()
    expect(end.sent).toHaveLength(1)
    await time.advance(FRAME_TIMEOUT_MS)
    expect(end.aborted).toBeUndefined()
    await time.advance(10_000)
    expect(end.aborted).toMatch(/nothing that was sent is read/)
  })

  it('NET-5 who asks and is not read gives up: nothing piles up for a peer that takes nothing', async () => {
    const time = new VirtualTime()
    const end = new StreamEnd()
    end.reads = false
    const offences = new Offences(time, silentLogger)
    const channel = new RequestChannel(peer, end as unknown as Stream, offences, time)
    const ask = () =>
      channel.request(UPLOAD, new Uint8Array(10), { timeout: 3_600_000 }).catch((error) => error.code)
    const answer = ask()
    await time.advance(FRAME_TIMEOUT_MS + 10_000)
    expect(await answer).toBe('mesh/unreachable')
    expect(end.aborted).toMatch(/nothing that was sent is read/)
    expect(await ask()).toBe('mesh/unreachable')
    expect(offences.isBlocked(peer)).toBe(false)
  })

  it('NET-5 a refusal says its code and nothing of this machine', async () => {
    const time = new VirtualTime()
    const serving = new Serving(time, silentLogger, new Offences(time, silentLogger))
    serving.handle(UPLOAD, LIMITS, async () => {
      throw new AskeeError('store/damaged', '/home/maria/.local/share/askee/consents.db is damaged')
    })
    const end = new StreamEnd()
    new InboundRequests(peer, end as unknown as Stream, serving, new Offences(time, silentLogger), time)
    end.arrive(concat(upload(1, 10), new Uint8Array(10)))
    await turn()
    const sent = Buffer.concat(end.sent).toString('latin1')
    expect(sent).toContain('store/damaged')
    expect(sent).not.toContain('maria')
  })

  it('NET-5 a cancel with a payload is malformed, takes no memory, and blocks who goes on', () => {
    const { offences, stream } = answering()
    const before = process.memoryUsage().arrayBuffers
    const cancel = concat(
      frameHead(FRAME_KINDS.cancel, 1, new Uint8Array(0), MAX_FRAME_BYTES - 5),
      new Uint8Array(300),
    )
    const streams = Array.from({ length: Math.ceil(OFFENCE_LIMIT / OFFENCE_MALFORMED) }, () => stream())
    for (const end of streams) end.arrive(cancel)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
    for (const end of streams) expect(end.aborted).toMatch(/cancel/)
    expect(offences.isBlocked(peer)).toBe(true)
  })

  it('NET-5 a half-sent frame is cut after the time that the slowest link needs', async () => {
    const { time, stream } = answering()
    const bytes = 10 * SLOWEST_BYTES_PER_SECOND
    const [header, body] = [stream(), stream()]
    header.arrive(upload(1, bytes).subarray(0, 3))
    body.arrive(concat(upload(1, bytes), new Uint8Array(300)))
    for (let second = 1; second < FRAME_TIMEOUT_MS / 1000; second++) {
      await time.advance(1000)
      body.arrive(new Uint8Array(1))
    }
    expect([header.aborted, body.aborted]).toEqual([undefined, undefined])
    await time.advance(1500)
    expect(header.aborted).toMatch(/not whole/)
    expect(body.aborted).toBeUndefined()
    await time.advance(10_000)
    expect(body.aborted).toMatch(/not whole/)
  })

  it('NET-5 whole frames, however many, are never cut for their age', async () => {
    const { time, stream } = answering()
    const end = stream()
    for (let id = 1; id < 10; id++) {
      end.arrive(concat(upload(id, 1000), new Uint8Array(600)))
      await time.advance(FRAME_TIMEOUT_MS * 0.9)
      end.arrive(concat(new Uint8Array(400), upload(id + 100, 10).subarray(0, 5)))
      await time.advance(FRAME_TIMEOUT_MS * 0.9)
      end.arrive(concat(upload(id + 100, 10).subarray(5), new Uint8Array(10)))
    }
    expect(end.aborted).toBeUndefined()
  })

  it('NET-5 the streams of one peer share a bound of bytes, until what they sent is answered', async () => {
    const { stream, gate } = answering(new Inflow())
    const third = Math.floor(MAX_PEER_INFLOW_BYTES / 3)
    const [a, b, c, d] = [stream(), stream(), stream(), stream()] as const
    a.arrive(concat(upload(1, third), new Uint8Array(third)))
    b.arrive(concat(upload(1, third), new Uint8Array(300)))
    c.arrive(concat(upload(1, third + 1000), new Uint8Array(300)))
    await turn()
    expect([a, b, c].map(refused)).toEqual([false, false, true])
    gate.resolve()
    await turn()
    d.arrive(concat(upload(1, third + 1000), new Uint8Array(300)))
    await turn()
    expect(refused(d)).toBe(false)
    // A stream that closes half-way gives its room back too.
    d.dispatchEvent(new Event('close'))
    b.dispatchEvent(new Event('close'))
    const e = stream()
    e.arrive(concat(upload(1, LIMITS.maxRequestBytes), new Uint8Array(300)))
    await turn()
    expect(refused(e)).toBe(false)
  })

  it('NET-5 when many peers fill the room, everybody keeps a fair share', () => {
    const inflow = new Inflow()
    for (let i = 0; i < MAX_INFLOW_BYTES / MAX_PEER_INFLOW_BYTES; i++) {
      expect(inflow.take(`p${i}` as NodeId, MAX_PEER_INFLOW_BYTES)).toBeDefined()
    }
    expect(inflow.take('late' as NodeId, FAIR_INFLOW_BYTES + 1)).toBeUndefined()
    expect(inflow.take('late' as NodeId, FAIR_INFLOW_BYTES)).toBeDefined()
    expect(inflow.take('late' as NodeId, 1)).toBeUndefined()
  })
})
