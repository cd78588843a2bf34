import { AskeeError, concat, utf8 } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_FRAME_BYTES } from '../src/defaults.ts'
import {
  decodeRefusal,
  decodeRequestHead,
  encodeRefusal,
  encodeRequestHead,
  FRAME_KINDS,
  type FrameHead,
  FrameReader,
  frameHead,
} from '../src/requests/frames.ts'

type Seen = { kind: number; id: number; payload: Uint8Array }

function collector(skip: (head: FrameHead) => boolean = () => false) {
  const seen: Seen[] = []
  const opened: FrameHead[] = []
  const reader = new FrameReader({
    open(head) {
      opened.push({ ...head, peek: Uint8Array.from(head.peek) })
      return skip(head) ? 'skip' : 'keep'
    },
    frame: ({ kind, id }, payload) => seen.push({ kind, id, payload: Uint8Array.from(payload) }),
  })
  return { seen, opened, reader }
}

const frame = (kind: number, id: number, payload: Uint8Array): Uint8Array =>
  concat(frameHead(kind, id, new Uint8Array(0), payload.byteLength), payload)

/** Cuts `bytes` at the given places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.byteLength + 1)))].sort((a, b) => a - b)
  return [...places, bytes.byteLength].map((end, i) => bytes.slice(i === 0 ? 0 : places[i - 1], end))
}

const frames = fc.array(
  fc.record({
    kind: fc.integer({ min: 1, max: 4 }),
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    payload: fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ minLength: 255, maxLength: 800 })),
  }),
  { minLength: 1, maxLength: 6 },
)

describe('frames of request streams', () => {
  it('NET-5 come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 30 }), (list, cuts) => {
        const { seen, reader } = collector()
        const bytes = concat(...list.map(({ kind, id, payload }) => frame(kind, id, payload)))
        for (const piece of pieces(bytes, cuts)) reader.push(piece)
        expect(seen).toEqual(list)
      }),
      { numRuns: 200 },
    )
  })

  it('NET-5 that are not wanted pass by, and the next is read', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 30 }), (list, cuts) => {
        const { seen, opened, reader } = collector(({ id }) => id % 2 === 1)
        const bytes = concat(...list.map(({ kind, id, payload }) => frame(kind, id, payload)))
        for (const piece of pieces(bytes, cuts)) reader.push(piece)
        expect(seen).toEqual(list.filter(({ id }) => id % 2 === 0))
        expect(opened.map(({ payloadBytes }) => payloadBytes)).toEqual(
          list.map(({ payload }) => payload.byteLength),
        )
      }),
      { numRuns: 100 },
    )
  })

  it('NET-5 of impossible length are refused at the fourth byte', () => {
    for (const length of [0, 4, MAX_FRAME_BYTES + 1, 0xffff_ffff]) {
      const { reader } = collector()
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, length)
      reader.push(bytes.subarray(0, 3))
      expect(() => reader.push(bytes.subarray(3))).toThrow(AskeeError)
    }
  })

  it('NET-5 that only promise many bytes take none of memory', () => {
    const { reader } = collector()
    const before = process.memoryUsage().arrayBuffers
    reader.push(frameHead(FRAME_KINDS.answer, 1, new Uint8Array(300), MAX_FRAME_BYTES - 400))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  it('NET-5 of random bytes never throw anything but a coded error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 10 }), (chunks) => {
        const { reader } = collector()
        try {
          for (const chunk of chunks) reader.push(chunk)
        } catch (error) {
          expect(error).toBeInstanceOf(AskeeError)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('NET-5 carry protocol, deadline and sizes of a request', () => {
    const head = encodeRequestHead('/askee/compute/offer/1', 1234.4, 99)
    expect(decodeRequestHead(concat(head, utf8('body')))).toEqual({
      protocol: '/askee/compute/offer/1',
      timeout: 1234,
      maxResponseBytes: 99,
      bodyOffset: head.byteLength,
    })
    for (let length = 0; length < head.byteLength; length++) {
      expect(() => decodeRequestHead(head.subarray(0, length))).toThrow(AskeeError)
    }
  })

  it('NET-5 carry a refusal with its code', () => {
    const bytes = encodeRefusal('handler', 'consent/missing')
    expect(decodeRefusal(bytes)).toEqual({ origin: 'handler', code: 'consent/missing' })
    expect(() => decodeRefusal(bytes.subarray(0, 10))).toThrow(AskeeError)
    expect(() => decodeRefusal(Uint8Array.of(0, 2, 0xff, 0xff))).toThrow(AskeeError)
    expect(FRAME_KINDS.refusal).toBe(3)
    expect(decodeRefusal(encodeRefusal('handler', 'internal')).code).toBe('internal')
  })

  it.each([
    '',
    'no code',
    'consent/missing\n',
    '\u001b[2Jconsent/missing',
    'consent/Missing',
    'consent/',
    '/missing',
    'a/b/c',
  ])('NET-5 carry no words of a peer in the place of a code: %j', (code) => {
    expect(() => decodeRefusal(encodeRefusal('handler', code))).toThrow(AskeeError)
  })
})
