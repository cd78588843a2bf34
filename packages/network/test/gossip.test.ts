import { type NodeId, type TopicName, type TopicRules, utf8 } from '@askee/core'
import { eventually } from '@askee/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { messageId } from '../src/gossip-service.ts'
import { decayFor, GRAYLIST_SCORE, scoring, topicScore } from '../src/scoring.ts'
import { connectTo, hostileNode } from './hostile.ts'
import { loopbackNode } from './nodes.ts'

const TOPIC: TopicName = '/askee/topic/test/1'
const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

function rules(change: Partial<TopicRules> = {}): TopicRules {
  return {
    maxBytes: 1000,
    expectedRatePerSecond: 1,
    validate: ({ body }) => {
      if (body[0] === 0x21) throw new Error('invalid')
      return 'accept'
    },
    ...change,
  }
}

describe('gossip against hostile peers', () => {
  it('NET-3 lowers the score of who sends invalid messages until it is no longer heard', async () => {
    const node = loopbackNode({ topics: new Map([[TOPIC, rules()]]) })
    await node.start()
    stops.push(() => node.stop())
    const hostile = await hostileNode()
    stops.push(() => hostile.stop())
    const id = hostile.peerId.toString() as NodeId
    const heard: string[] = []
    node.subscribe(TOPIC, ({ body }) => heard.push(Buffer.from(body).toString()))
    hostile.services.pubsub.subscribe(TOPIC)
    await connectTo(hostile, node.addresses()[0] as string)
    await eventually(async () => {
      await hostile.services.pubsub.publish(TOPIC, utf8('valid'))
      return heard.includes('valid')
    })
    const before = node.scoreOf(id)
    await hostile.services.pubsub.publish(TOPIC, utf8('! one'))
    await eventually(() => node.scoreOf(id) < before)
    const afterOne = node.scoreOf(id)
    expect(afterOne).toBeGreaterThan(GRAYLIST_SCORE)
    // Too large for the rules of the topic: as invalid as what the validator throws at.
    await hostile.services.pubsub.publish(TOPIC, new Uint8Array(1001))
    await eventually(() => node.scoreOf(id) < afterOne)
    for (let i = 0; i < 4; i++) await hostile.services.pubsub.publish(TOPIC, utf8(`! ${i}`))
    await eventually(() => node.scoreOf(id) < GRAYLIST_SCORE)
    heard.length = 0
    await hostile.services.pubsub.publish(TOPIC, utf8('valid again'))
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(heard).toEqual([])
  })

  it('NET-3 ignores what an author sends above its rate, unvalidated and without blaming who brings it', async () => {
    let judged = 0
    const strict = rules({
      authorRatePerSecond: 0.01,
      authorBurst: 5,
      validate: () => {
        judged++
        return 'accept'
      },
    })
    const node = loopbackNode({ topics: new Map([[TOPIC, strict]]) })
    await node.start()
    stops.push(() => node.stop())
    const [loud, quiet] = [await hostileNode(), await hostileNode()]
    stops.push(
      () => loud.stop(),
      () => quiet.stop(),
    )
    const heard: string[] = []
    node.subscribe(TOPIC, ({ body }) => heard.push(Buffer.from(body).toString()))
    for (const each of [loud, quiet]) {
      each.services.pubsub.subscribe(TOPIC)
      await connectTo(each, node.addresses()[0] as string)
    }
    await eventually(() => loud.services.pubsub.getSubscribers(TOPIC).length > 0)
    await eventually(() => quiet.services.pubsub.getSubscribers(TOPIC).length > 0)
    for (let i = 0; i < 40; i++) await loud.services.pubsub.publish(TOPIC, utf8(`loud ${i}`))
    await quiet.services.pubsub.publish(TOPIC, utf8('quiet'))
    await eventually(() => heard.includes('quiet'))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(heard.filter((text) => text.startsWith('loud'))).toHaveLength(5)
    expect(judged).toBe(6)
    expect(node.scoreOf(loud.peerId.toString() as NodeId)).toBeGreaterThanOrEqual(0)
  })

  it('NET-3 carries no topic that was not declared, and nothing unsigned passes', async () => {
    const other: TopicName = '/askee/topic/other/1'
    const a = loopbackNode({ topics: new Map([[TOPIC, rules()]]) })
    const b = loopbackNode({ topics: new Map([[TOPIC, rules()]]) })
    await Promise.all([a.start(), b.start()])
    stops.push(
      () => a.stop(),
      () => b.stop(),
    )
    await a.dial(b.addresses()[0] as string)
    const hostile = await hostileNode()
    stops.push(() => hostile.stop())
    hostile.services.pubsub.subscribe(other)
    await connectTo(hostile, a.addresses()[0] as string)
    await hostile.services.pubsub.publish(other, utf8('x'))
    expect(() => a.subscribe(other, () => {})).toThrow()
    await expect(a.publish(other, utf8('x'))).rejects.toMatchObject({ code: 'mesh/unknown-topic' })
  })

  it('NET-3 passes a message on only after its own rules have accepted it', async () => {
    const middleRules = rules({ validate: async ({ body }) => (body[0] === 0x3f ? 'ignore' : 'accept') })
    const [a, middle, c] = [rules(), middleRules, rules()].map((own) =>
      loopbackNode({ topics: new Map([[TOPIC, own]]), minimumPeers: 0 }),
    ) as [ReturnType<typeof loopbackNode>, ReturnType<typeof loopbackNode>, ReturnType<typeof loopbackNode>]
    await Promise.all([a.start(), middle.start(), c.start()])
    stops.push(
      () => a.stop(),
      () => middle.stop(),
      () => c.stop(),
    )
    await a.dial(middle.addresses()[0] as string)
    await c.dial(middle.addresses()[0] as string)
    const heard: string[] = []
    c.subscribe(TOPIC, ({ from, body }) => heard.push(`${from} ${Buffer.from(body)}`))
    await eventually(async () => {
      await a.publish(TOPIC, utf8('hello'))
      return heard.includes(`${a.self} hello`)
    })
    expect(c.peers()).not.toContain(a.self)
    await a.publish(TOPIC, utf8('? not this'))
    await a.publish(TOPIC, utf8('but this'))
    await eventually(() => heard.includes(`${a.self} but this`))
    expect(heard).not.toContain(`${a.self} ? not this`)
    // Ignored is not punished.
    expect(middle.scoreOf(a.self)).toBeGreaterThanOrEqual(0)
  })
})

describe('scoring', () => {
  const topics = new Map<TopicName, TopicRules>([
    [TOPIC, rules({ expectedRatePerSecond: 10 })],
    ['/askee/topic/quiet/1', rules({ expectedRatePerSecond: 0.001 })],
  ])

  it('NET-3 graylists for five invalid messages a peer with every merit, and not for one', () => {
    const { scoreParams, scoreThresholds } = scoring(topics)
    for (const topic of topics.values()) {
      const params = topicScore(topic, topics.size)
      const penalty = (count: number): number =>
        (params.invalidMessageDeliveriesWeight as number) * count ** 2
      expect(penalty(5) + (scoreParams.topicScoreCap as number)).toBeLessThan(
        scoreThresholds.graylistThreshold as number,
      )
      expect(penalty(1)).toBeGreaterThan(scoreThresholds.gossipThreshold as number)
    }
  })

  it('NET-3 gives the same merit for the expected rate of busy and quiet topics, never above the cap', () => {
    const [busy, quiet] = [...topics.values()].map((topic) => topicScore(topic, topics.size))
    for (const params of [busy, quiet]) {
      const merit =
        (params!.firstMessageDeliveriesWeight as number) * (params!.firstMessageDeliveriesCap as number) +
        (params!.timeInMeshWeight as number) * (params!.timeInMeshCap as number)
      expect(merit).toBeCloseTo(10 / topics.size)
      expect(params!.meshMessageDeliveriesWeight).toBe(0)
    }
    expect(busy!.firstMessageDeliveriesCap as number).toBeGreaterThan(
      quiet!.firstMessageDeliveriesCap as number,
    )
  })

  it('NET-3 forgets within the stated time', () => {
    expect(decayFor(600) ** 600).toBeCloseTo(0.01)
  })

  it('NET-3 names a message by topic, author, number and data', () => {
    const id = messageId('t', utf8('from'), utf8('seqno'), utf8('data'))
    expect(id.byteLength).toBe(20)
    expect(messageId('t', utf8('from'), utf8('seqno'), utf8('datb'))).not.toEqual(id)
    expect(messageId('t', utf8('from'), utf8('seqnp'), utf8('data'))).not.toEqual(id)
  })

  it('NET-3 refuses rules for messages larger than gossip carries', () => {
    expect(() => loopbackNode({ topics: new Map([[TOPIC, rules({ maxBytes: 65_537 })]]) })).toThrow(/65536/)
  })
})
