import type { CampaignEvent } from '@askee/compute'
import type { NodeId } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { createBusiness } from '../src/business.ts'

function setting() {
  const time = new VirtualTime()
  const consents: { live: boolean; manifest: { requester: NodeId } }[] = []
  const leases: { requester: NodeId }[] = []
  let looks = 0
  let tell: (event: CampaignEvent) => void = () => {}
  const { isKnown, isAdmitted } = createBusiness({
    clock: time,
    consents: {
      list: () => {
        looks += 1
        return consents
      },
    },
    worker: {
      status: () => ({ leases }),
    },
    requester: {
      onEvent: (listener) => {
        tell = listener
        return () => {}
      },
    },
  })
  const happens = (type: 'offer' | 'assigned', node: string): void =>
    tell({ type, campaign: 'c', task: 't', node } as unknown as CampaignEvent)
  return { time, consents, leases, isKnown, isAdmitted, happens, looks: () => looks }
}

const id = (name: string): NodeId => name as NodeId

describe('with whom a node has business', () => {
  it('MSG-1 is who holds a live consent, whose work it does, and to whom it gave work', async () => {
    const { time, consents, leases, isKnown, isAdmitted, happens } = setting()
    expect(isKnown(id('alice'))).toBe(false)
    consents.push({ live: true, manifest: { requester: id('alice') } })
    consents.push({ live: false, manifest: { requester: id('former') } })
    leases.push({ requester: id('bob') })
    happens('offer', 'stranger')
    happens('assigned', 'worker')
    await time.advance(5000)
    const names = ['alice', 'bob', 'worker', 'former', 'stranger', 'anybody']
    expect(names.filter((name) => isKnown(id(name)))).toEqual(['alice', 'bob', 'worker'])
    // Anybody can take an offer: that displaces nothing of those whom the owner let in.
    expect(names.filter((name) => isAdmitted(id(name)))).toEqual(['alice', 'bob'])
    consents.splice(0)
    leases.splice(0)
    await time.advance(5000)
    expect(names.filter((name) => isKnown(id(name)))).toEqual(['worker'])
  })

  it('MSG-1 is not looked up for every question', async () => {
    const { time, isKnown, looks } = setting()
    for (let i = 0; i < 10_000; i++) isKnown(id(`stranger ${i}`))
    expect(looks()).toBe(1)
    await time.advance(5000)
    isKnown(id('stranger'))
    expect(looks()).toBe(2)
  })
})
