import { type NodeId, type TopicName, type TopicRules, utf8 } from '@askee/core'
import { createMemoryMeshNetwork, VirtualTime } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'

const [a, b, c] = ['a', 'b', 'c'] as NodeId[] as [NodeId, NodeId, NodeId]

describe('the rules of a node in memory', () => {
  it('CMP-9 a peer that may not have a block is told that it is not there', async () => {
    const network = createMemoryMeshNetwork()
    const holder = network.node(a, { topics: new Map(), mayFetch: (peer) => peer === b })
    const [friend, stranger] = [b, c].map((id) => network.node(id, { topics: new Map() }))
    for (const node of [holder, friend, stranger]) await node?.start()
    const digest = await holder.putBlock(utf8('secret'))
    await expect(stranger?.getBlock(digest, { providers: [a] })).rejects.toMatchObject({
      code: 'mesh/not-found',
    })
    expect(await friend?.getBlock(digest, { providers: [a] })).toEqual(utf8('secret'))
  })

  it('NET-3 ignores what an author sends above its rate, before validating it, and hears others', async () => {
    const time = new VirtualTime()
    const network = createMemoryMeshNetwork({ timers: time, clock: time })
    const topic: TopicName = '/askee/topic/test/1'
    const rules: TopicRules = { maxBytes: 100, expectedRatePerSecond: 1, validate: () => 'accept' }
    let judged = 0
    const strict: TopicRules = {
      ...rules,
      authorRatePerSecond: 1,
      authorBurst: 2,
      validate: () => {
        judged++
        return 'accept'
      },
    }
    const hearer = network.node(a, { topics: new Map([[topic, strict]]) })
    const [loud, quiet] = [b, c].map((id) => network.node(id, { topics: new Map([[topic, rules]]) }))
    for (const node of [hearer, loud, quiet]) await node?.start()
    const heard: string[] = []
    hearer.subscribe(topic, ({ from }) => heard.push(from))
    for (let i = 0; i < 5; i++) await loud?.publish(topic, utf8(`${i}`))
    await quiet?.publish(topic, utf8('x'))
    await time.advance(0)
    expect([heard, judged]).toEqual([[b, b, c], 3])
    await time.advance(1000)
    for (let i = 0; i < 5; i++) await loud?.publish(topic, utf8(`again ${i}`))
    await time.advance(0)
    expect([heard, judged]).toEqual([[b, b, c, b], 4])
  })
})
