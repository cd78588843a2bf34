import { type BlockStore, type Digest, digestOf, systemRandom } from '@askee/core'
import { createMemoryBlockStore, eventually } from '@askee/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { BLOCK_CHUNK_BYTES } from '../src/defaults.ts'
import { connect, loopbackNode, strangerId } from './nodes.ts'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function started(blocks: BlockStore = createMemoryBlockStore()) {
  const node = loopbackNode({}, { blocks })
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

  it('NET-2 finds a large block by its announcement alone', async () => {
    const [holder, asker, other] = [await started(), await started(), await started()]
    await connect([holder, asker, other])
    await holder.putBlock(block)
    await eventually(async () => digestOf(await asker.getBlock(digest)) === digest)
  })
})
