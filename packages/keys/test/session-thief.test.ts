import { systemRandom as random } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { FRAME_KINDS, type FrameHeader } from '../src/sessions/frame.ts'
import { CHECKPOINT_PERIOD } from '../src/sessions/ledgers.ts'
import { ask, codeOf, flush, forged, MINUTE, open, plain, START } from './support/session-frames.ts'
import { sessionPair } from './support/session-pair.ts'

describe('a thief of the keys of a session, who has not the identity of who speaks in it', () => {
  it('MSG-1 is found out by the next checkpoint when what it said stands in the place of something else', async () => {
    const time = new VirtualTime(START)
    const pair = sessionPair(time, { window: 64 })
    const { a, b } = pair
    open(b, ask(a))
    expect(codeOf(() => open(b, forged(pair, { seq: 2, ts: time.now() })))).toBe('opened')
    // What the true one says under that number is refused, and said again under another.
    expect(codeOf(() => open(b, ask(a)))).toBe('session/replay')
    open(b, ask(a))
    await time.advance(CHECKPOINT_PERIOD)
    expect(a.wantsFlush).toBe(true)
    expect(codeOf(() => flush(pair))).toBe('session/checkpoint-mismatch')
    expect(codeOf(() => open(b, forged(pair, { seq: 9, ts: time.now() })))).toBe('session/ended')
  })

  it.each([40, 2 ** 40])(
    'MSG-1 is found out within three minutes although it speaks ahead of the other (%i)',
    async (ahead) => {
      const time = new VirtualTime(START)
      const pair = sessionPair(time, { window: 64 })
      const { a, b } = pair
      open(b, ask(a))
      expect(codeOf(() => open(b, forged(pair, { seq: ahead, ts: time.now() })))).toBe('opened')
      for (let minute = 0; minute < 3 && b.ended === undefined; minute++) {
        await time.advance(CHECKPOINT_PERIOD)
        // Whether what the true one says is still taken depends on how far ahead the thief is.
        codeOf(() => flush(pair))
      }
      await time.advance(1)
      expect(b.isUnsigned).toBe(true)
    },
  )

  it('MSG-1 continues it alone for three minutes, however it writes its messages', async () => {
    const time = new VirtualTime(START)
    const pair = sessionPair(time, { window: 64 })
    const { a, b } = pair
    let seq = 1
    open(b, ask(a))
    flush(pair)
    seq += 1
    const say = (change: Partial<FrameHeader>, content = plain()): string =>
      codeOf(() => open(b, forged(pair, { seq: ++seq, ts: time.now(), ...change }, content)))
    // One that only carries a checkpoint would never be overdue.
    for (const kind of [FRAME_KINDS.flush, FRAME_KINDS.flushed, FRAME_KINDS.answer]) {
      expect(say({ kind })).toBe('session/kind')
    }
    const begun = time.now()
    while (!b.isUnsigned) {
      expect(say({})).toBe('opened')
      await time.advance(10_000)
    }
    expect(time.now() - begun).toBeLessThanOrEqual(3 * CHECKPOINT_PERIOD + 10_000)
    const forgery = plain({ document: random.bytes(200), leaves: new Uint8Array(32) })
    expect(say({ checkpoint: true }, forgery)).toBe('session/checkpoint-signature')
    expect(b.ended).toBe('session/checkpoint-signature')
  })
})

describe('the age of a session', () => {
  it('MSG-1 ends it after two hours, renewed or not', async () => {
    const time = new VirtualTime(START)
    const { a, b } = sessionPair(time)
    await time.advance(60 * MINUTE - 1)
    expect(a.wantsRenewal).toBe(false)
    await time.advance(1)
    expect(a.wantsRenewal).toBe(true)
    await time.advance(60 * MINUTE - 1)
    const underway = ask(a)
    await time.advance(1)
    expect(codeOf(() => open(b, underway))).toBe('session/ended')
    expect(codeOf(() => ask(a))).toBe('session/ended')
  })

  it.each([
    ['is set back', -23, 0],
    ['is asleep with the machine', 0, -23],
  ])('MSG-1 is that of the other clock when one %s', async (_, wall, monotonic) => {
    const time = new VirtualTime(START)
    const off = { wall: 0, monotonic: 0 }
    const clock = {
      now: () => time.now() + off.wall,
      monotonic: () => time.monotonic() + off.monotonic,
    }
    const { a } = sessionPair(clock)
    await time.advance(24 * 60 * MINUTE)
    Object.assign(off, { wall: 60 * MINUTE * wall, monotonic: 60 * MINUTE * monotonic })
    expect(a.wantsRenewal).toBe(true)
    expect(a.ended).toBe('too-old')
  })
})
