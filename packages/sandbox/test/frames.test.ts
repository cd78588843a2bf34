import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrame, FRAME_TYPES, type Frame, type FrameName, FrameReader } from '../src/frames.ts'

const CAPS = { log: 4096, result: 100_000, go: 0 }
const frames = fc.array(
  fc.oneof(
    fc.record({ name: fc.constant<FrameName>('log'), payload: fc.uint8Array({ maxLength: 4096 }) }),
    fc.record({ name: fc.constant<FrameName>('go'), payload: fc.constant(new Uint8Array(0)) }),
    fc.record({
      name: fc.constant<FrameName>('result'),
      payload: fc.nat(100_000).map((length) => new Uint8Array(length).fill(7)),
    }),
  ),
  { maxLength: 6 },
)

function readAll(reader: FrameReader, bytes: Uint8Array, cuts: readonly number[]): Frame[] {
  const edges = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return edges.slice(1).flatMap((edge, index) => [...reader.push(bytes.subarray(edges[index], edge))])
}

describe('frames', () => {
  it('SBX-4 what is written is read, however the pipe cuts it', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat()), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(({ name, payload }) => encodeFrame(name, payload)))
        const received = readAll(new FrameReader(CAPS), bytes, cuts)
        expect(received.map(({ name, payload }) => [name, Buffer.from(payload).toString('hex')])).toEqual(
          sent.map(({ name, payload }) => [name, Buffer.from(payload).toString('hex')]),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('SBX-4 noise is refused with a coded error and never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 200 }), (noise) => {
        try {
          for (const frame of new FrameReader(CAPS).push(noise)) expect(frame.name in CAPS).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'sandbox/frame' })
        }
      }),
      { numRuns: 500 },
    )
  })

  it('SBX-4 refuses wrong magic, version, type, order and length at the header', () => {
    const good = encodeFrame('log', new Uint8Array(3))
    const changed = (at: number, value: number) => {
      const bytes = good.slice(0, 8)
      bytes[at] = value
      return bytes
    }
    const headers = [
      changed(0, 0),
      changed(1, 0),
      changed(2, 2),
      changed(3, 99),
      changed(3, FRAME_TYPES.hello),
      changed(6, 1),
    ]
    for (const header of headers) {
      expect(() => [...new FrameReader(CAPS).push(header)]).toThrow(/malformed frame/)
    }
  })

  it('SBX-4 a header that promises much takes no memory before the bytes come', () => {
    const caps = { result: 2 ** 32 - 1 }
    const header = encodeFrame('result')
    new DataView(header.buffer).setUint32(4, 2 ** 32 - 1, true)
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 10 }, () => {
      const reader = new FrameReader(caps)
      for (const _ of reader.push(header)) expect.unreachable()
      return reader
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
    expect(readers.length).toBe(10)
  })
})
