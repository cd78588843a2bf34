import { errorCode } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EnvelopeHeader } from '../src/index.ts'
import { ReplayGuard } from '../src/sealing/replay-guard.ts'

const MINUTE = 60_000
const START = 1_700_000_000_000

describe('the memory of messages', () => {
  const ROOM = { senders: 10, messages: 100, messagesPerSender: 100, conversationsPerSender: 10 }
  const header = (from: string, mid: number, seq: number, ts: number, conv = 'c'): EnvelopeHeader =>
    ({ from, mid: Uint8Array.of(mid >> 8, mid & 255), seq, ts, exp: ts + 5 * MINUTE, conv }) as EnvelopeHeader
  const claim = (guard: ReplayGuard, one: EnvelopeHeader, now: number): string => {
    try {
      guard.claim(one, now)
      return 'taken'
    } catch (error) {
      return errorCode(error) ?? String(error)
    }
  }

  it('MSG-1 stays within its bound: one sender cannot use up what others need', () => {
    const guard = new ReplayGuard(0, { ...ROOM, messagesPerSender: 10, messages: 25, senders: 3 })
    const codes = Array.from({ length: 20 }, (_, i) => claim(guard, header('a', i, i + 1, START), START))
    expect(codes.filter((code) => code === 'taken')).toHaveLength(10)
    expect(codes.at(-1)).toBe('envelope/replay-memory')
    expect(claim(guard, header('b', 1, 1, START), START)).toBe('taken')
    expect(claim(guard, header('c', 1, 1, START), START)).toBe('taken')
    expect(claim(guard, header('d', 1, 1, START), START)).toBe('envelope/replay-memory')
    const later = START + 11 * MINUTE
    expect(claim(guard, header('d', 1, 1, later), later)).toBe('taken')
    expect(guard.size).toBe(1)
  })

  it('MSG-1 refuses what is new when it is full, and forgets nothing for it', () => {
    const guard = new ReplayGuard(0, { ...ROOM, messages: 30 })
    const first = header('a', 0, 1, START)
    expect(claim(guard, first, START)).toBe('taken')
    const codes = Array.from({ length: 40 }, (_, i) =>
      claim(guard, header(`${i % 8}`, i, i + 1, START), START),
    )
    expect(codes.filter((code) => code === 'taken')).toHaveLength(29)
    expect(codes.at(-1)).toBe('envelope/replay-memory')
    expect(guard.size).toBe(30)
    expect(claim(guard, { ...first, conv: 'other' }, START)).toBe('envelope/replay')
  })

  it('MSG-1 refuses what it forgot, also when the clock goes back', () => {
    const guard = new ReplayGuard(0)
    const first = header('a', 1, 1, START)
    expect(claim(guard, first, START)).toBe('taken')
    const later = START + 20 * MINUTE
    expect(claim(guard, header('a', 2, 2, later), later)).toBe('taken')
    expect(guard.size).toBe(1)
    expect(claim(guard, { ...first, conv: 'other' }, START + MINUTE)).toBe('envelope/replay')
  })

  it('MSG-1 forgets only what is over', () => {
    const guard = new ReplayGuard(0)
    expect(claim(guard, header('a', 1, 1, START), START)).toBe('taken')
    expect(claim(guard, header('a', 2, 2, START + 4 * MINUTE), START + 4 * MINUTE)).toBe('taken')
    const now = START + 6 * MINUTE
    expect(claim(guard, header('a', 3, 3, now), now)).toBe('taken')
    expect(guard.size).toBe(2)
    expect(claim(guard, header('a', 4, 4, now - 3 * MINUTE), now)).toBe('taken')
    expect(claim(guard, header('a', 2, 5, START + 4 * MINUTE, 'other'), now)).toBe('envelope/replay')
  })

  it('MSG-1 takes each message once and each conversation in order, whatever arrives', () => {
    const arrival = fc.record({
      from: fc.constantFrom('a', 'b'),
      mid: fc.integer({ min: 0, max: 6 }),
      seq: fc.integer({ min: 1, max: 8 }),
      conv: fc.constantFrom('c', 'd'),
      pause: fc.integer({ min: 0, max: 3 * MINUTE }),
      age: fc.integer({ min: 0, max: 5 * MINUTE }),
    })
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
        const guard = new ReplayGuard(0, { ...ROOM, messagesPerSender: 5, messages: 8 })
        const taken = new Map<string, number>()
        const last = new Map<string, { seq: number; at: number }>()
        let now = START
        for (const { from, mid, seq, conv, pause, age } of arrivals) {
          now += pause
          const one = header(from, mid, seq, now - age, conv)
          if (one.exp < now || claim(guard, one, now) !== 'taken') continue
          // The same message within its life is a replay.
          expect(taken.get(`${from}${mid}`) ?? 0).toBeLessThan(now)
          taken.set(`${from}${mid}`, one.exp)
          // After ten minutes whatever was said before is too old to be taken.
          const before = last.get(`${from}${conv}`)
          if (before !== undefined && now - before.at < 10 * MINUTE) {
            expect(seq).toBeGreaterThan(before.seq)
          }
          last.set(`${from}${conv}`, { seq, at: now })
          expect(guard.size).toBeLessThanOrEqual(8)
        }
      }),
      { numRuns: 200 },
    )
  })
})
