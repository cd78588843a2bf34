import { AskeeError, type CampaignId, digestOf, encode, type LeaseId, type Mesh, utf8 } from '@askee/core'
import { seededRandom, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { beforeEach, describe, expect, it } from 'vitest'
import { Outbox } from '../src/worker/outbox.ts'

const HASH = digestOf(utf8('hash'))
const identity = createIdentity(seededRandom(7))
const lease = (n: number): LeaseId => `${n}`.padStart(32, '0') as LeaseId

let time: VirtualTime
let tries: number[]
let dropped: LeaseId[]
let up: boolean
let outbox: Outbox
beforeEach(() => {
  time = new VirtualTime()
  tries = []
  dropped = []
  up = false
  const request: Mesh['request'] = async () => {
    tries.push(time.monotonic())
    if (!up) throw new AskeeError('mesh/unreachable', 'nobody is there')
    return encode({ drop: [] })
  }
  outbox = new Outbox(
    { mesh: { request } as Mesh, identity, clock: time, timers: time },
    { commitPeriod: 1, retryDelay: 1000, requestTimeout: 1000 },
    {
      requester: identity.id,
      campaign: digestOf(utf8('c')) as string as CampaignId,
      pace: async () => undefined,
    },
    (leases) => dropped.push(...leases),
    new AbortController().signal,
  )
})

function commit(n: number, span: number): void {
  outbox.push({ type: 'commitment', lease: lease(n), hash: HASH, until: time.now() + span })
}

describe('what a worker has to tell', () => {
  it('NET-5 is told ever more rarely to a requester that is gone, and not after the end of the lease', async () => {
    commit(1, 600_000)
    await time.advance(500_000)
    expect(tries.length).toBeLessThan(25)
    expect(tries.length).toBeGreaterThan(5)
    expect(outbox.idle).toBe(false)
    await time.advance(200_000)
    expect(outbox.idle).toBe(true)
    expect(dropped).toEqual([lease(1)])
    const before = tries.length
    await time.advance(1_000_000)
    expect(tries).toHaveLength(before)
  })

  it('CMP-4 is not sent again once it was taken back', async () => {
    commit(1, 600_000)
    await time.advance(1500)
    outbox.cancel(lease(1))
    const before = tries.length
    await time.advance(100_000)
    expect(tries).toHaveLength(before)
    expect(outbox.idle).toBe(true)
  })

  it('CMP-4 arrives when the requester is back, a failure also when its lease is held no more', async () => {
    commit(1, 600_000)
    outbox.push({
      type: 'failure',
      lease: lease(2),
      code: 'fault/engine',
      until: time.now() + 600_000,
    })
    outbox.cancel(lease(2))
    await time.advance(3000)
    up = true
    await time.advance(40_000)
    expect(outbox.idle).toBe(true)
    expect(dropped).toEqual([])
  })
})
