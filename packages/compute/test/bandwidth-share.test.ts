import type { NodeId } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { BandwidthShare, type Urgency } from '../src/worker/bandwidth-share.ts'
import { ConsentBandwidth } from '../src/worker/consent-bandwidth.ts'

const MIB = 1024 * 1024
/** 8 Mbit/s. */
const RATE = 1_000_000
const BURST = 1.25 * MIB

let time: VirtualTime
let share: BandwidthShare
beforeEach(() => {
  time = new VirtualTime(0)
  share = new BandwidthShare({ clock: time, timers: time }, RATE)
})

describe("a consent's line", () => {
  it('CON-2 never carries more than its rate and one burst, whoever wants what, in whatever order', async () => {
    const wish = fc.record({
      at: fc.nat(20_000),
      bytes: fc.integer({ min: 1, max: MIB }),
      urgency: fc.constantFrom<Urgency>('message', 'block'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { minLength: 1, maxLength: 40 }), async (wishes) => {
        const clock = new VirtualTime(0)
        const line = new BandwidthShare({ clock, timers: clock }, RATE)
        const went: { at: number; bytes: number }[] = []
        const all = wishes.map(async ({ at, bytes, urgency }) => {
          await clock.sleep(at)
          await line.take(bytes, urgency)
          went.push({ at: clock.monotonic(), bytes })
        })
        await clock.advance(200_000)
        await Promise.all(all)
        for (const [i, from] of went.entries()) {
          let sum = 0
          for (const { at, bytes } of went.slice(i)) {
            sum += bytes
            expect(sum).toBeLessThanOrEqual(BURST + ((at - from.at + 1) * RATE) / 1000)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('CON-2 makes wait as long as it must and no longer, messages before blocks, in order', async () => {
    const went: [string, number][] = []
    const take = (name: string, bytes: number, urgency: Urgency): Promise<void> =>
      share.take(bytes, urgency).then(() => void went.push([name, time.monotonic()]))
    const all = [
      take('burst', BURST, 'block'),
      take('first', RATE, 'block'),
      take('second', RATE, 'block'),
      take('message', RATE / 10, 'message'),
    ]
    await time.advance(5000)
    await Promise.all(all)
    expect(went).toEqual([
      ['burst', 0],
      ['message', 100],
      ['first', 1100],
      ['second', 2100],
    ])
  })

  it('CON-2 lets those who come next pay for what came unasked, and takes back what did not travel', async () => {
    await share.take(BURST, 'block')
    share.owe(RATE)
    let went = 0
    const one = share.take(RATE, 'message').then(() => {
      went = time.monotonic()
    })
    await time.advance(1999)
    expect(went).toBe(0)
    await time.advance(1)
    await one
    expect(went).toBe(2000)
    share.giveBack(RATE)
    await share.take(RATE, 'message')
    expect(time.monotonic()).toBe(2000)
  })

  it('CON-2 costs those nothing who stop waiting, and those behind them no time', async () => {
    await share.take(BURST, 'block')
    const leave = new AbortController()
    const left = share.take(RATE, 'block', { signal: leave.signal })
    const late = share.take(RATE, 'block', { within: 500 })
    let went = 0
    const stays = share.take(RATE / 2, 'block').then(() => {
      went = time.monotonic()
    })
    left.catch(() => undefined)
    late.catch(() => undefined)
    await time.advance(100)
    leave.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    await time.advance(400)
    await expect(late).rejects.toMatchObject({ code: 'mesh/rate-limited' })
    await time.advance(1)
    await stays
    expect(went).toBe(500)
    await expect(share.take(1, 'block', { signal: leave.signal })).rejects.toThrow('gone')
  })

  it('CON-2 goes by the narrower rate from the moment that it is renewed', async () => {
    await share.take(BURST, 'block')
    share.bytesPerSecond = RATE / 10
    let went = 0
    void share.take(RATE / 10, 'message').then(() => {
      went = time.monotonic()
    })
    await time.advance(1000)
    expect(went).toBe(1000)
  })

  it('CON-2 gives each consent a line of its own, and all tokens of one the same', async () => {
    const consents = {
      limitsOf: (token: string) => {
        const consent = token.slice(0, 1)
        return {
          consent,
          requester: 'boss' as NodeId,
          tokens: [`${consent}2`, `${consent}1`],
          storageBytes: 0,
          bytesPerSecond: consent === 'x' ? 0 : RATE,
        }
      },
    }
    const bandwidth = new ConsentBandwidth({ consents, clock: time, timers: time })
    await bandwidth.take('a1', MIB, 'block')
    await bandwidth.take('b1', MIB, 'block')
    expect(time.monotonic()).toBe(0)
    let went = 0
    void bandwidth.take('a2', MIB, 'block').then(() => {
      went = time.monotonic()
    })
    await time.advance(10_000)
    // With what carries it, less the burst that was left.
    expect(went).toBeGreaterThan(900)
    expect(went).toBeLessThan(1100)
    // Nobody spends the line of a consent that is for another.
    bandwidth.came('stranger' as NodeId, 'a1', 100 * MIB)
    await bandwidth.takeOf('stranger' as NodeId, 'a1', 100 * MIB, new AbortController().signal)
    await bandwidth.take('a1', 1, 'message')
    expect(bandwidth.isOpen('a1')).toBe(true)
    expect(bandwidth.isOpen('x1')).toBe(false)
  })

  it('CON-2 counts what came at once, whoever stops waiting, and under what name it came', async () => {
    const limits = (token: string) =>
      token === 'unknown'
        ? undefined
        : {
            consent: token,
            requester: 'boss' as NodeId,
            tokens: [token],
            storageBytes: 0,
            bytesPerSecond: RATE,
          }
    let over = ''
    const consents = { limitsOf: limits, hasEnded: (token: string) => token === over }
    const bandwidth = new ConsentBandwidth({ consents, clock: time, timers: time })
    for (const token of ['a', 'b']) await bandwidth.take(token, MIB, 'block')
    for (const token of ['a', 'unknown', undefined]) {
      bandwidth.came('boss' as NodeId, token, MIB)
      const gone = AbortSignal.abort(new Error('gone'))
      await expect(bandwidth.takeOf('boss' as NodeId, token, 10, gone)).rejects.toThrow('gone')
    }
    const wait = async (token: string): Promise<number> => {
      const from = time.monotonic()
      const took = bandwidth.take(token, 1, 'message').then(() => time.monotonic() - from)
      await time.advance(10_000)
      return took
    }
    const waits = await Promise.all([wait('a'), wait('b')])
    expect(waits[0]).toBeGreaterThan(3000)
    expect(waits[1]).toBe(0)
    // One that has ended pays for nothing any more.
    over = 'a'
    bandwidth.came('boss' as NodeId, 'unknown', 4 * MIB)
    expect(await wait('b')).toBeGreaterThan(3000)
  })

  it('CON-2 keeps no line of a consent that has ended, once what it carried is paid for', async () => {
    const ended = new Set<string>()
    const consents = {
      limitsOf: (consent: string) => ({
        consent,
        requester: 'boss' as NodeId,
        tokens: [consent],
        storageBytes: 0,
        bytesPerSecond: RATE,
      }),
      hasEnded: (token: string) => ended.has(token),
    }
    const bandwidth = new ConsentBandwidth({ consents, clock: time, timers: time })
    await bandwidth.take('a', MIB, 'block')
    await bandwidth.take('b', MIB, 'block')
    bandwidth.prune()
    ended.add('a')
    bandwidth.prune()
    // A new one would let a burst go at once.
    expect(bandwidth.size).toBe(2)
    await time.advance(100_000)
    bandwidth.prune()
    expect(bandwidth.size).toBe(1)
  })
})
