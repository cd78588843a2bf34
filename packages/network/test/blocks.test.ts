import {
  AskeeError,
  type BlockStore,
  type Digest,
  digestOf,
  silentLogger,
  systemRandom,
  utf8,
} from '@askee/core'
import { createMemoryBlockStore, eventually, VirtualTime } from '@askee/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { Blocks } from '../src/blocks/fetching.ts'
import { decodeBlockRequest, encodeBlockAnswer } from '../src/blocks/protocol.ts'
import { BLOCK_CHUNK_BYTES, BLOCK_CHUNK_TIMEOUT_MS, BLOCK_PATIENCE_MS } from '../src/defaults.ts'
import { TokenBuckets } from '../src/limits.ts'
import { Offences } from '../src/offences.ts'
import { loopbackNode, strangerId } from './nodes.ts'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function started(
  blocks: BlockStore = createMemoryBlockStore(),
  init: Parameters<typeof loopbackNode>[0] = {},
) {
  const node = loopbackNode(init, { blocks })
  await node.start()
  stops.push(() => node.stop())
  return node
}

/** A store that answers for one digest with other bytes. */
function lyingStore(digest: Digest, bytes: Uint8Array): BlockStore {
  const store = createMemoryBlockStore()
  return {
    ...store,
    sizeOf: async (asked) => (asked === digest ? bytes.byteLength : store.sizeOf(asked)),
    readRange: async (asked, offset, length) =>
      asked === digest ? bytes.slice(offset, offset + length) : store.readRange(asked, offset, length),
  }
}

describe('blocks from others', () => {
  const block = systemRandom.bytes(2 * BLOCK_CHUNK_BYTES + 17)
  const digest = digestOf(block)

  it('NET-5 passes over providers that lie about bytes or size, or are gone, and takes the honest one', async () => {
    const flipped = Uint8Array.from(block)
    flipped[5] = (flipped[5] as number) ^ 1
    const lies = [flipped, block.subarray(0, 100), new Uint8Array(0), new Uint8Array(70 * 1024 * 1024)]
    const liars = await Promise.all(lies.map((lie) => started(lyingStore(digest, lie))))
    const honest = await started()
    const asker = await started()
    await honest.putBlock(block)
    for (const node of [...liars, honest]) await asker.dial(node.addresses()[0] as string)
    const providers = [strangerId(), ...liars.map((node) => node.self), honest.self]
    expect(digestOf(await asker.getBlock(digest, { providers }))).toBe(digest)
    // Once fetched it is held: no provider is asked any more.
    await honest.stop()
    expect(digestOf(await asker.getBlock(digest))).toBe(digest)
  })

  it('NET-5 blocks a provider that goes on lying', async () => {
    const liar = await started(lyingStore(digest, new Uint8Array(10)))
    const asker = await started()
    await asker.dial(liar.addresses()[0] as string)
    for (let i = 0; i < 4; i++) {
      await expect(asker.getBlock(digest, { providers: [liar.self] })).rejects.toMatchObject({
        code: 'mesh/not-found',
      })
    }
    expect(asker.isBlocked(liar.self)).toBe(true)
    await eventually(() => !asker.peers().includes(liar.self))
  })

  it('NET-5 waits and asks again when a provider limits it, and says so when that does not end', async () => {
    const time = new VirtualTime()
    let refusals = 5
    const asked: number[] = []
    const store = createMemoryBlockStore()
    const fetching = new Blocks({
      blocks: store,
      offences: new Offences(time, silentLogger),
      clock: time,
      timers: time,
      logger: silentLogger,
      request: async () => {
        asked.push(time.monotonic())
        if (refusals-- > 0) throw new AskeeError('mesh/refused', 'no', { code: 'mesh/rate-limited' })
        return encodeBlockAnswer(3, utf8('abc'))
      },
    })
    const options = { providers: [strangerId()] }
    const first = fetching.get(digestOf(utf8('abc')), options)
    await time.advance(BLOCK_CHUNK_TIMEOUT_MS)
    expect(await first).toEqual(utf8('abc'))
    expect(asked).toHaveLength(6)
    refusals = Infinity
    asked.length = 0
    const second = fetching.get(digestOf(utf8('other')), options)
    const failed = expect(second).rejects.toMatchObject({ code: 'mesh/rate-limited' })
    await time.advance(BLOCK_PATIENCE_MS)
    await failed
    // Seldom enough that asking is no offence of its own.
    expect(asked.length).toBeLessThan(90)
  })

  it('NET-5 gets a block of many chunks over a line so narrow that one of them takes minutes', async () => {
    const time = new VirtualTime()
    const large = systemRandom.bytes(6 * BLOCK_CHUNK_BYTES)
    // 0.05 Mbit/s: a chunk in not quite three minutes.
    const line = new TokenBuckets({ perSecond: 6250, burst: 1.25 * BLOCK_CHUNK_BYTES }, time)
    const provider = strangerId()
    let asked = 0
    const fetching = new Blocks({
      blocks: createMemoryBlockStore(),
      offences: new Offences(time, silentLogger),
      clock: time,
      timers: time,
      logger: silentLogger,
      request: async (_to, body) => {
        asked++
        const { offset } = decodeBlockRequest(body)
        // As long as a volunteer lets one wait.
        for (let waited = 0; waited < 15; waited++) {
          if (line.take(provider, BLOCK_CHUNK_BYTES))
            return encodeBlockAnswer(large.byteLength, large.slice(offset, offset + BLOCK_CHUNK_BYTES))
          await time.sleep(1000)
        }
        throw new AskeeError('mesh/refused', 'no', { code: 'mesh/rate-limited' })
      },
    })
    const fetched = fetching.get(digestOf(large), { providers: [provider] })
    fetched.catch(() => undefined)
    await time.advance(6 * 180_000)
    expect(digestOf(await fetched)).toBe(digestOf(large))
    expect(asked).toBeLessThan(100)
  })

  it('CMP-9 a peer that may not have a block learns nothing of it, and its bytes are not read', async () => {
    const store = createMemoryBlockStore()
    const secret = await store.put(utf8('secret'))
    const shared = await store.put(utf8('shared'))
    const read: Digest[] = []
    const watched: BlockStore = {
      ...store,
      sizeOf: async (asked) => {
        read.push(asked)
        return store.sizeOf(asked)
      },
    }
    const friend = await started()
    const stranger = await started()
    const holder = await started(watched, {
      mayFetch: (peer, digest) => peer === friend.self || digest === shared,
    })
    for (const node of [friend, stranger]) await node.dial(holder.addresses()[0] as string)
    const options = { providers: [holder.self] }
    const failure = async (digest: Digest) => stranger.getBlock(digest, options).catch((error) => error)
    expect(await stranger.getBlock(shared, options)).toEqual(utf8('shared'))
    const [refused, absent] = [await failure(secret), await failure(digestOf(utf8('absent')))]
    expect(refused.code).toBe('mesh/not-found')
    expect(refused.message.replace(secret, '')).toBe(absent.message.replace(/[0-9a-f]{64}/, ''))
    expect(refused.cause.message).toBe(absent.cause.message)
    expect(read).toEqual([shared])
    expect(await friend.getBlock(secret, options)).toEqual(utf8('secret'))
  })
})
