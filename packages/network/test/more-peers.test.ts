import { eventually } from '@askee/core/testing'
import { afterEach, describe, it } from 'vitest'
import { loopbackNode } from './nodes.ts'

const NODES = 6
const WANTED = 4

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function started(bootstrap: readonly string[] = []) {
  const node = loopbackNode({ bootstrap, keepingPeriod: 200, minimumPeers: WANTED })
  await node.start()
  stops.push(() => node.stop())
  return node
}

describe('nodes that know one node', () => {
  it('NET-4 find as many others through it as they want', async () => {
    const centre = await started()
    const nodes = await Promise.all(Array.from({ length: NODES }, () => started(centre.addresses())))
    await eventually(() => nodes.every((node) => node.peers().length >= WANTED))
  }, 60_000)
})
