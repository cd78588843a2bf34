import type { Mesh } from '@askee/core'
import { meshAcceptance } from '@askee/core/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectedNodes, strangerId } from './nodes.ts'

meshAcceptance({ describe, it, expect, beforeAll, afterAll }, 'the mesh over libp2p', () => {
  const nodes: Mesh[] = []
  return {
    async start(count, topics) {
      nodes.push(...(await connectedNodes(count, { topics })))
      return [...nodes]
    },
    strangerId,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
})
