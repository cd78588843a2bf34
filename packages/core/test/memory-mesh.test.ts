import type { Mesh, NodeId } from '@askee/core'
import { createMemoryMeshNetwork, meshAcceptance } from '@askee/core/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let made = 0

meshAcceptance({ describe, it, expect, beforeAll, afterAll }, 'the mesh in memory', () => {
  const network = createMemoryMeshNetwork()
  const nodes: Mesh[] = []
  return {
    async start(count, topics) {
      for (let i = 0; i < count; i++) nodes.push(network.node(`node-${made++}` as NodeId, { topics }))
      for (const node of nodes) await node.start()
      return [...nodes]
    },
    strangerId: () => 'stranger' as NodeId,
    async stop() {
      for (const node of nodes) await node.stop()
    },
  }
})
