import { randomBytes } from 'node:crypto'
import { concat, type NodeId, type ProtocolLimits, type ProtocolName, utf8 } from '@askee/core'
import { eventually, VirtualTime } from '@askee/core/testing'
import type { Stream } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { BLOCK_MS, OFFENCE_DECAY_PER_SECOND, OFFENCE_LIMIT } from '../src/defaults.ts'
import type { Libp2pMesh } from '../src/index.ts'
import { ProtocolUse } from '../src/limits.ts'
import { Offences } from '../src/offences.ts'
import { encodeRequestHead, FRAME_KINDS, frameHead } from '../src/requests/frames.ts'
import { connectTo, type HostileNode, hostileNode, rawStream } from './hostile.ts'
import { loopbackNode, realComponents } from './nodes.ts'

const ECHO: ProtocolName = '/askee/test/echo/1'
const LIMITS: ProtocolLimits = {
  maxRequestBytes: 1000,
  maxResponseBytes: 100_000,
  ratePerSecond: 50,
  burst: 50,
  concurrency: 20,
}
const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function victimAndAttacker(): Promise<{ victim: Libp2pMesh; attacker: HostileNode; id: NodeId }> {
  const victim = loopbackNode()
  await victim.start()
  stops.push(() => victim.stop())
  const attacker = await hostileNode()
  stops.push(() => attacker.stop())
  await connectTo(attacker, victim.addresses()[0] as string)
  const id = attacker.peerId.toString() as NodeId
  await eventually(() => victim.peers().includes(id))
  return { victim, attacker, id }
}

function request(
  id: number,
  body: Uint8Array,
  claimedBytes = body.byteLength,
  maxResponseBytes = 1000,
): Uint8Array {
  const head = encodeRequestHead(ECHO, 20_000, maxResponseBytes)
  return concat(frameHead(FRAME_KINDS.request, id, head, claimedBytes), body)
}

describe('requests against hostile peers', () => {
  it('NET-5 aborts a stream of malformed frames, blocks who goes on, and serves others', async () => {
    const { victim, attacker, id } = await victimAndAttacker()
    const friend = loopbackNode()
    await friend.start()
    stops.push(() => friend.stop())
    await friend.dial(victim.addresses()[0] as string)
    victim.handle(ECHO, LIMITS, async ({ body }) => body)
    const nonsense = [
      utf8('GET / HTTP/1.1\r\n\r\n'),
      frameHead(99, 1, new Uint8Array(0), 0),
      frameHead(FRAME_KINDS.answer, 1, utf8('unasked'), 0),
      concat(request(7, utf8('a')), request(7, utf8('b'))),
      randomBytes(5000),
    ]
    let sent = 0
    for (const bytes of nonsense) {
      try {
        const stream = await rawStream(attacker, victim.self)
        sent++
        const closed = new Promise((resolve) => stream.addEventListener('close', resolve))
        stream.send(bytes)
        await closed
      } catch {
        break
      }
    }
    expect(sent).toBeGreaterThanOrEqual(3)
    await eventually(() => victim.isBlocked(id) && !victim.peers().includes(id))
    // The dialer's half of the handshake may still succeed; it is the last that it gets.
    await connectTo(attacker, victim.addresses()[0] as string).catch(() => undefined)
    await eventually(() => attacker.getConnections().length === 0)
    expect(victim.peers()).not.toContain(id)
    expect(await friend.request(victim.self, ECHO, utf8('fine'))).toEqual(utf8('fine'))
  })

  it('NET-5 answers a flood only within the rate, then blocks the sender', async () => {
    const { victim, attacker, id } = await victimAndAttacker()
    let answered = 0
    victim.handle(ECHO, LIMITS, async ({ body }) => {
      answered++
      return body
    })
    const stream = await rawStream(attacker, victim.self)
    try {
      for (let round = 0; round < 20; round++) {
        const ids = Array.from({ length: 200 }, (_, i) => round * 200 + i)
        stream.send(concat(...ids.map((number) => request(number, utf8('x')))))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    } catch {
      // The stream was cut in the middle of the flood.
    }
    await eventually(() => victim.isBlocked(id))
    expect(answered).toBeLessThanOrEqual(LIMITS.burst + LIMITS.ratePerSecond * 2)
  })

  it('NET-5 does not read on from a peer that never takes its answers', async () => {
    const { victim, attacker, id } = await victimAndAttacker()
    let answered = 0
    victim.handle(ECHO, { ...LIMITS, ratePerSecond: 1e6, burst: 1e6, concurrency: 1000 }, async () => {
      answered++
      return new Uint8Array(50_000)
    })
    const stream = await rawStream(attacker, victim.self)
    stream.pause()
    // 400 answers would be 20 MB; the victim holds back after 2 MiB and what the stream itself buffers.
    for (let i = 0; i < 400; i++) {
      stream.send(request(i, utf8('x'), 1, 60_000))
      if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(victim.isBlocked(id)).toBe(false)
    expect(answered).toBeGreaterThan(20)
    expect(answered).toBeLessThan(200)
    // As soon as it reads, it is served on.
    stream.addEventListener('message', () => {})
    stream.resume()
    await eventually(() => answered === 400)
  })

  it('NET-5 lets bodies above the limit pass by unread and says so', async () => {
    const { victim, attacker } = await victimAndAttacker()
    let largest = 0
    victim.handle(ECHO, LIMITS, async ({ body }) => {
      largest = Math.max(largest, body.byteLength)
      return body
    })
    const stream = await rawStream(attacker, victim.self)
    const received: number[] = []
    stream.addEventListener('message', ({ data }) => received.push(...data.subarray()))
    stream.send(request(1, new Uint8Array(50_000)))
    stream.send(request(2, utf8('small')))
    await eventually(() => Buffer.from(received).includes('small'))
    expect(Buffer.from(received).includes('mesh/too-large')).toBe(true)
    expect(largest).toBe(5)
  })

  it('NET-5 cuts an answer larger than asked for, and frames that no responder sends', async () => {
    const { victim, attacker, id } = await victimAndAttacker()
    let answer: (stream: Stream) => void = () => {}
    for (const protocol of ['/askee/request/1', '/askee/request-bulk/1']) {
      await attacker.handle(protocol, (stream) => {
        stream.addEventListener('message', () => answer(stream))
      })
    }
    const ask = () => victim.request(id, ECHO, utf8('x'), { maxResponseBytes: 1000, timeout: 3000 })
    let sentBytes = 0
    answer = (stream) => {
      stream.send(frameHead(FRAME_KINDS.answer, 1, new Uint8Array(0), 50_000_000))
      try {
        for (; sentBytes < 50_000_000; sentBytes += 65_536) stream.send(new Uint8Array(65_536))
      } catch {
        // Cut.
      }
    }
    await expect(ask()).rejects.toMatchObject({ code: 'mesh/too-large' })
    answer = (stream) => void stream.send(utf8('complete nonsense, longer than a header'))
    await expect(ask()).rejects.toMatchObject({ code: 'mesh/unreachable' })
    answer = (stream) => void stream.send(frameHead(FRAME_KINDS.refusal, 1, new Uint8Array(300), 60_000_000))
    await expect(ask()).rejects.toMatchObject({ code: 'mesh/unreachable' })
    answer = (stream) => stream.abort(new Error('no'))
    await expect(ask()).rejects.toMatchObject({ code: 'mesh/unreachable' })
    answer = () => {}
    await expect(victim.request(id, ECHO, utf8('x'), { timeout: 100 })).rejects.toMatchObject({
      code: expect.stringMatching(/^mesh\/(timeout|unreachable)$/),
    })
  })
})

describe('what a peer may cost', () => {
  const peer = 'peer' as NodeId

  it('NET-5 gives every peer its burst at once and its rate over time', async () => {
    const time = new VirtualTime()
    const use = new ProtocolUse({ ...LIMITS, ratePerSecond: 10, burst: 5, concurrency: 100 }, time)
    const enter = (): number => {
      let entered = 0
      for (let leave = use.enter(peer); leave !== undefined; leave = use.enter(peer)) {
        leave()
        entered++
      }
      return entered
    }
    expect(enter()).toBe(5)
    await time.advance(300)
    expect(enter()).toBe(3)
    await time.advance(60_000)
    expect(enter()).toBe(5)
    expect(use.enter('other' as NodeId)).toBeDefined()
  })

  it('NET-5 forgives slowly, blocks at the limit, and lets in again later', async () => {
    const time = new VirtualTime()
    const blocked: NodeId[] = []
    const offences = new Offences(time, realComponents().logger)
    offences.onBlock((id) => blocked.push(id))
    offences.note(peer, OFFENCE_LIMIT - 1, 'test')
    await time.advance(1000)
    offences.note(peer, OFFENCE_DECAY_PER_SECOND, 'test')
    expect(offences.isBlocked(peer)).toBe(false)
    offences.note(peer, 2, 'test')
    expect(offences.isBlocked(peer)).toBe(true)
    expect(blocked).toEqual([peer])
    await time.advance(BLOCK_MS - 1)
    expect(offences.isBlocked(peer)).toBe(true)
    await time.advance(1)
    expect(offences.isBlocked(peer)).toBe(false)
  })
})
