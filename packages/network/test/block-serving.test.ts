import { digestOf, type NodeId, silentLogger, systemRandom, utf8 } from '@askee/core'
import { createMemoryBlockStore, VirtualTime } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { encodeBlockRequest } from '../src/blocks/protocol.ts'
import { BlockServing } from '../src/blocks/serving.ts'
import {
  BLOCK_BURST_BYTES,
  BLOCK_BYTES_PER_SECOND,
  BLOCK_CHUNK_BYTES,
  BLOCK_RETRY_MS,
  BLOCKS_AT_ONCE,
  MAX_BLOCK_BYTES,
} from '../src/defaults.ts'
import { Offences } from '../src/offences.ts'

const peer = 'peer' as NodeId
const other = 'other' as NodeId

function serving() {
  const time = new VirtualTime()
  const store = createMemoryBlockStore()
  const reads: [offset: number, length: number][] = []
  const blocks = {
    ...store,
    get: async () => {
      throw new Error('a whole block was read')
    },
    readRange: async (...[digest, offset, length]: Parameters<typeof store.readRange>) => {
      reads.push([offset, length])
      return store.readRange(digest, offset, length)
    },
  }
  const offences = new Offences(time, silentLogger)
  return {
    time,
    store,
    reads,
    offences,
    serving: new BlockServing({ blocks, offences, clock: time, mayFetch: () => true }),
  }
}

describe('blocks given to others', () => {
  it('NET-5 each request reads its own chunk alone, and none past the end', async () => {
    const { store, reads, serving: door, offences } = serving()
    const block = systemRandom.bytes(BLOCK_CHUNK_BYTES + 10)
    const digest = await store.put(block)
    expect((await door.serve(peer, encodeBlockRequest(digest, BLOCK_CHUNK_BYTES))).subarray(4)).toEqual(
      block.subarray(BLOCK_CHUNK_BYTES),
    )
    expect(reads).toEqual([[BLOCK_CHUNK_BYTES, 10]])
    for (const offset of [block.byteLength, MAX_BLOCK_BYTES, 0xffff_ffff]) {
      await expect(door.serve(peer, encodeBlockRequest(digest, offset))).rejects.toMatchObject({
        code: 'blocks/malformed',
      })
    }
    await expect(door.serve(peer, utf8('short'))).rejects.toMatchObject({ code: 'blocks/malformed' })
    await expect(door.serve(peer, encodeBlockRequest(digestOf(utf8('?')), 0))).rejects.toMatchObject({
      code: 'mesh/not-found',
    })
    expect(reads).toHaveLength(1)
    for (let i = 0; i < 60; i++)
      await door.serve(peer, encodeBlockRequest(digest, 9e8)).catch(() => undefined)
    expect(offences.isBlocked(peer)).toBe(true)
    const empty = await store.put(new Uint8Array(0))
    expect(await door.serve(other, encodeBlockRequest(empty, 0))).toEqual(new Uint8Array(4))
  })

  it('NET-5 a peer is given so many bytes, over time more, and small blocks without end', async () => {
    const { time, store, serving: door } = serving()
    const large = await store.put(new Uint8Array(MAX_BLOCK_BYTES))
    const small = await store.put(new Uint8Array(20 * 1024))
    const chunks = async (from: NodeId, most: number): Promise<number> => {
      for (let served = 0; served < most; served++) {
        const offset = (served % 64) * BLOCK_CHUNK_BYTES
        const answer = door.serve(from, encodeBlockRequest(large, offset))
        const code = await answer.then(
          () => undefined,
          (error: { code: string }) => error.code,
        )
        if (code === undefined) continue
        expect(code).toBe('mesh/rate-limited')
        return served
      }
      return most
    }
    for (let i = 0; i < 3000; i++) await door.serve(other, encodeBlockRequest(small, 0))
    const burst = BLOCK_BURST_BYTES / BLOCK_CHUNK_BYTES
    expect(await chunks(peer, 1000)).toBe(burst - 1)
    await time.advance(1000)
    const perSecond = BLOCK_BYTES_PER_SECOND / BLOCK_CHUNK_BYTES
    expect(Math.abs((await chunks(peer, 1000)) - perSecond)).toBeLessThanOrEqual(1)
    expect(await chunks(other, 5)).toBe(5)
  })

  it('CON-2 a chunk waits for what its consent allows, and is not given when that took too long', async () => {
    const { store, offences, time } = serving()
    const paced: [NodeId, number][] = []
    let mayFetch = true
    const door = new BlockServing({
      blocks: store,
      offences,
      clock: time,
      mayFetch: () => mayFetch,
      pace: async (to, _digest, bytes, signal) => {
        paced.push([to, bytes])
        signal?.throwIfAborted()
      },
    })
    const digest = await store.put(systemRandom.bytes(BLOCK_CHUNK_BYTES + 10))
    const last = encodeBlockRequest(digest, BLOCK_CHUNK_BYTES)
    await door.serve(peer, last)
    expect(paced).toEqual([[peer, 10]])
    await expect(door.serve(peer, last, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    const waiting = door.serve(peer, last)
    mayFetch = false
    await expect(waiting).rejects.toMatchObject({ code: 'mesh/not-found' })
  })

  it('NET-5 a peer that waits before it asks again is never blocked, one that does not is', async () => {
    const { time, store, offences, serving: door } = serving()
    const large = await store.put(new Uint8Array(MAX_BLOCK_BYTES))
    const ask = async (from: NodeId): Promise<boolean> =>
      door.serve(from, encodeBlockRequest(large, 0)).then(
        () => true,
        () => false,
      )
    let given = 0
    for (let passed = 0; passed < 120_000; passed += BLOCK_RETRY_MS) {
      for (let slot = 0; slot < BLOCKS_AT_ONCE; slot++) if (await ask(peer)) given++
      await time.advance(BLOCK_RETRY_MS)
    }
    expect(given).toBeLessThan(BLOCK_BURST_BYTES / BLOCK_CHUNK_BYTES + 121 * 16)
    expect(given).toBeGreaterThan(120 * 15)
    expect(offences.isBlocked(peer)).toBe(false)
    for (let i = 0; i < 4000; i++) await ask(other)
    expect(offences.isBlocked(other)).toBe(true)
  }, 90_000)
})
