import { type NodeId, utf8 } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
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
})
