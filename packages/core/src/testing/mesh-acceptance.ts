import { systemTimers } from '../adapters/system.ts'
import { utf8 } from '../bytes.ts'
import { AskeeError } from '../errors.ts'
import type { Mesh, ProtocolLimits, ProtocolName, TopicName, TopicRules } from '../ports/mesh.ts'
import { eventually, type MeshTestNetwork, nodesFor, refusal, type TestFunctions } from './mesh-nodes.ts'
import { storageTests } from './mesh-storage-acceptance.ts'

const ECHO: ProtocolName = '/askee/test/echo/1'
const TOPIC: TopicName = '/askee/topic/test/1'
const SLOW_TOPIC: TopicName = '/askee/topic/slow/1'
const WIDE: ProtocolLimits = {
  maxRequestBytes: 300_000,
  maxResponseBytes: 300_000,
  ratePerSecond: 10_000,
  burst: 10_000,
  concurrency: 1000,
}

/**
 * What every Mesh must do.
 * @param test vitest's functions
 * @param makeNetwork called once for each group of tests
 */
export function meshAcceptance(test: TestFunctions, name: string, makeNetwork: () => MeshTestNetwork): void {
  test.describe(`${name}: requests`, () => requestTests(test, makeNetwork))
  test.describe(`${name}: topics`, () => topicTests(test, makeNetwork))
  storageTests(test, name, makeNetwork)
  test.describe(`${name}: life`, () => lifeTests(test, makeNetwork))
}

function requestTests(test: TestFunctions, makeNetwork: () => MeshTestNetwork): void {
  const { it, expect } = test
  const { nodes, network } = nodesFor(test, makeNetwork, 2)
  const pair = (): [Mesh, Mesh] => [nodes[0] as Mesh, nodes[1] as Mesh]

  it('NET-1 tells the handler who asks, as the channel proves it', async () => {
    const [a, b] = pair()
    const stop = b.handle(ECHO, WIDE, async ({ from }) => utf8(from))
    expect(await a.request(b.self, ECHO, utf8('who am I?'))).toEqual(utf8(a.self))
    stop()
  })

  it('NET-5 gives each of many simultaneous requests its own answer', async () => {
    const [a, b] = pair()
    const stop = b.handle(ECHO, WIDE, async ({ body }) => body)
    const bodies = Array.from({ length: 300 }, (_, i) => utf8(`${i} `.repeat(i)))
    const answers = await Promise.all(bodies.map((body) => a.request(b.self, ECHO, body)))
    expect(answers).toEqual(bodies)
    stop()
  })

  it('NET-5 carries empty and large bodies', async () => {
    const [a, b] = pair()
    const stop = b.handle(ECHO, WIDE, async ({ body }) => body)
    for (const size of [0, 1, 262, 263, 264, 65_536, 300_000]) {
      const body = new Uint8Array(size).fill(7)
      expect(await a.request(b.self, ECHO, body)).toEqual(body)
    }
    stop()
  })

  it('NET-5 answers itself by the same rules', async () => {
    const [a] = pair()
    const stop = a.handle(ECHO, { ...WIDE, maxRequestBytes: 4 }, async ({ from }) => utf8(from))
    expect(await a.request(a.self, ECHO, utf8('hi'))).toEqual(utf8(a.self))
    expect(await refusal(a.request(a.self, ECHO, utf8('too long')))).toMatchObject({ code: 'mesh/too-large' })
    stop()
  })

  it('NET-5 refuses a protocol that is not handled, or no longer', async () => {
    const [a, b] = pair()
    expect((await refusal(a.request(b.self, ECHO, utf8('x')))).code).toBe('mesh/unsupported-protocol')
    b.handle(ECHO, WIDE, async ({ body }) => body)()
    expect((await refusal(a.request(b.self, ECHO, utf8('x')))).code).toBe('mesh/unsupported-protocol')
  })

  it('NET-5 says when a node cannot be reached', async () => {
    const [a] = pair()
    const asked = a.request(network.strangerId(), ECHO, utf8('x'), { timeout: 5000 })
    expect((await refusal(asked)).code).toBe('mesh/unreachable')
    expect((await refusal(a.dial('/ip4/127.0.0.1/tcp/1'))).code).toBe('mesh/unreachable')
    expect((await refusal(a.dial('no address'))).code).toBe('mesh/unreachable')
  })

  it('NET-5 hands a refusal over with its code, and hides what failed inside', async () => {
    const [a, b] = pair()
    const coded = b.handle(ECHO, WIDE, async () => {
      throw new AskeeError('consent/missing', 'no token')
    })
    expect(await refusal(a.request(b.self, ECHO, utf8('x')))).toEqual({
      code: 'mesh/refused',
      details: { code: 'consent/missing' },
    })
    coded()
    const failing = b.handle(ECHO, WIDE, async () => {
      throw new TypeError('secret detail')
    })
    expect(await refusal(a.request(b.self, ECHO, utf8('x')))).toEqual({
      code: 'mesh/refused',
      details: { code: 'internal' },
    })
    failing()
  })

  it('NET-5 limits the size of requests and answers on both sides', async () => {
    const [a, b] = pair()
    const stop = b.handle(
      ECHO,
      { ...WIDE, maxRequestBytes: 1000, maxResponseBytes: 2000 },
      async ({ body }) => new Uint8Array((body[0] as number) * 1000),
    )
    const ask = (thousands: number, requestBytes: number, maxResponseBytes: number): Promise<unknown> =>
      a.request(b.self, ECHO, new Uint8Array(requestBytes).fill(thousands), { maxResponseBytes })
    expect((await refusal(ask(1, 1000, 1000))).code).toBe('resolved')
    expect((await refusal(ask(1, 1001, 5000))).code).toBe('mesh/too-large')
    expect((await refusal(ask(3, 10, 5000))).code).toBe('mesh/too-large')
    expect((await refusal(ask(2, 10, 1999))).code).toBe('mesh/too-large')
    stop()
  })

  it('NET-5 limits the rate of a peer, and lets it in again later', async () => {
    const [a, b] = pair()
    const limits = { ...WIDE, ratePerSecond: 20, burst: 5 }
    const stop = b.handle(ECHO, limits, async ({ body }) => body)
    const asked = await Promise.all(
      Array.from({ length: 15 }, () => refusal(a.request(b.self, ECHO, utf8('x')))),
    )
    const codes = asked.map(({ code }) => code)
    expect(codes.filter((code) => code === 'resolved').length).toBeGreaterThanOrEqual(5)
    expect(codes.filter((code) => code === 'mesh/rate-limited').length).toBeGreaterThanOrEqual(5)
    await eventually(() => a.request(b.self, ECHO, utf8('x')))
    stop()
  })

  it('NET-5 limits how many requests of a peer are answered at once', async () => {
    const [a, b] = pair()
    const gate = Promise.withResolvers<void>()
    const stop = b.handle(ECHO, { ...WIDE, concurrency: 2 }, async ({ body }) => {
      await gate.promise
      return body
    })
    const held = [a.request(b.self, ECHO, utf8('1')), a.request(b.self, ECHO, utf8('2'))]
    expect((await refusal(a.request(b.self, ECHO, utf8('3')))).code).toBe('mesh/rate-limited')
    gate.resolve()
    expect(await Promise.all(held)).toEqual([utf8('1'), utf8('2')])
    stop()
  })

  it('NET-5 ends a request at its deadline and tells the handler', async () => {
    const [a, b] = pair()
    const aborted = Promise.withResolvers<void>()
    const stop = b.handle(ECHO, WIDE, async ({ signal }) => {
      signal.addEventListener('abort', () => aborted.resolve())
      await aborted.promise
      return new Uint8Array(0)
    })
    expect((await refusal(a.request(b.self, ECHO, utf8('x'), { timeout: 100 }))).code).toBe('mesh/timeout')
    await aborted.promise
    stop()
  })

  it('NET-5 ends a request when its signal aborts and tells the handler', async () => {
    const [a, b] = pair()
    const started = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    const stop = b.handle(ECHO, WIDE, async ({ signal }) => {
      signal.addEventListener('abort', () => aborted.resolve())
      started.resolve()
      await aborted.promise
      return new Uint8Array(0)
    })
    const controller = new AbortController()
    const asked = a.request(b.self, ECHO, utf8('x'), { signal: controller.signal })
    await started.promise
    controller.abort(new AskeeError('test/given-up', 'enough'))
    expect((await refusal(asked)).code).toBe('test/given-up')
    await aborted.promise
    expect((await refusal(a.request(b.self, ECHO, utf8('x'), { signal: controller.signal }))).code).toBe(
      'test/given-up',
    )
    stop()
  })
}

function topicTests(test: TestFunctions, makeNetwork: () => MeshTestNetwork): void {
  const { it, expect } = test
  const rules: TopicRules = {
    maxBytes: 100,
    expectedRatePerSecond: 1,
    validate: async ({ body }) => {
      if (body[0] === 0x21) throw new Error('an exclamation mark')
      return body[0] === 0x3f ? 'ignore' : 'accept'
    },
  }
  let judged = 0
  const slowRules: TopicRules = {
    ...rules,
    authorRatePerSecond: 0.01,
    authorBurst: 3,
    validate: () => {
      judged++
      return 'accept'
    },
  }
  const { nodes } = nodesFor(
    test,
    makeNetwork,
    3,
    new Map([
      [TOPIC, rules],
      [SLOW_TOPIC, slowRules],
    ]),
  )
  const heard = (node: Mesh): { list: string[]; stop: () => void } => {
    const list: string[] = []
    return {
      list,
      stop: node.subscribe(TOPIC, ({ from, body }) => list.push(`${from} ${Buffer.from(body)}`)),
    }
  }

  it('NET-3 delivers a message to others and to the author, once, with its author', async () => {
    const [a, b, c] = nodes as [Mesh, Mesh, Mesh]
    const ears = [heard(a), heard(b), heard(c)]
    await eventually(async () => {
      await a.publish(TOPIC, utf8('ready?'))
      return ears.every(({ list }) => list.length > 0)
    })
    for (const { list } of ears) list.length = 0
    await a.publish(TOPIC, utf8('news'))
    await eventually(() => ears.every(({ list }) => list.includes(`${a.self} news`)))
    for (const { list } of ears) expect(list.filter((line) => line.endsWith('news'))).toHaveLength(1)
    for (const { stop } of ears) stop()
    await a.publish(TOPIC, utf8('later'))
    await systemTimers.sleep(100)
    expect(ears.some(({ list }) => list.includes(`${a.self} later`))).toBe(false)
  })

  it('NET-3 refuses topics that were not declared', async () => {
    const [a] = nodes as [Mesh]
    const other: TopicName = '/askee/topic/other/1'
    expect((await refusal(a.publish(other, utf8('x')))).code).toBe('mesh/unknown-topic')
    expect(() => a.subscribe(other, () => {})).toThrow(AskeeError)
  })

  it('NET-3 does not send what its own rules refuse, ignore or find too large', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    const ear = heard(b)
    expect((await refusal(a.publish(TOPIC, utf8('! bad')))).code).toBe('mesh/refused')
    expect((await refusal(a.publish(TOPIC, new Uint8Array(101)))).code).toBe('mesh/too-large')
    await a.publish(TOPIC, utf8('? whatever'))
    await a.publish(TOPIC, utf8('good'))
    await eventually(() => ear.list.includes(`${a.self} good`))
    expect(ear.list).toEqual([`${a.self} good`])
    ear.stop()
  })

  it('NET-3 refuses to send more than the rate of an author, before the rules are asked', async () => {
    const [a] = nodes as [Mesh]
    const alone = (await Promise.all([0, 1, 2].map(() => refusal(a.publish(SLOW_TOPIC, utf8('x')))))).map(
      ({ code }) => code,
    )
    expect(alone).toEqual(['resolved', 'resolved', 'resolved'])
    await systemTimers.sleep(100)
    const before = judged
    expect((await refusal(a.publish(SLOW_TOPIC, utf8('y')))).code).toBe('mesh/rate-limited')
    expect(judged).toBe(before)
    expect((await refusal(a.publish(TOPIC, utf8('z')))).code).toBe('resolved')
  })
}

function lifeTests(test: TestFunctions, makeNetwork: () => MeshTestNetwork): void {
  const { it, expect } = test
  const { nodes } = nodesFor(test, makeNetwork, 3)

  it('NET-1 is reached at the addresses that it tells', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    expect(b.addresses().length).toBeGreaterThan(0)
    for (const address of b.addresses()) expect(address.endsWith(`/p2p/${b.self}`)).toBe(true)
    expect(await a.dial(b.addresses()[0] as string)).toBe(b.self)
    expect(a.peers()).toContain(b.self)
  })

  it('NET-4 tells of lost peers, fails what waits for them, and works on without them', async () => {
    const [a, b, c] = nodes as [Mesh, Mesh, Mesh]
    const events: string[] = []
    const stop = a.onPeer((peer, state) => events.push(`${peer} ${state}`))
    const asked = Promise.withResolvers<void>()
    b.handle(ECHO, WIDE, async ({ signal }) => {
      asked.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return new Uint8Array(0)
    })
    const waiting = refusal(a.request(b.self, ECHO, utf8('x')))
    await asked.promise
    await b.stop()
    expect((await waiting).code).toBe('mesh/unreachable')
    await eventually(() => !a.peers().includes(b.self))
    expect(events).toContain(`${b.self} disconnected`)
    expect((await refusal(b.request(a.self, ECHO, utf8('x')))).code).toBe('mesh/stopped')
    expect((await refusal(b.publish(TOPIC, utf8('x')))).code).toBe('mesh/stopped')
    await b.stop()
    c.handle(ECHO, WIDE, async ({ body }) => body)
    expect(await a.request(c.self, ECHO, utf8('still here'))).toEqual(utf8('still here'))
    stop()
  })
}
