import { type Mesh, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { createLibp2pMesh } from '@askee/network'
import type { MeshFactory } from '../../packages/compute/bench/coordination.ts'

/** Real libp2p nodes over TCP loopback, all in this process, so on one core. */
export function libp2pMeshFactory(wrap: (mesh: Mesh) => Mesh = (mesh) => mesh): MeshFactory {
  let first: readonly string[] = []
  return {
    async create(identity, topics, blocks) {
      const mesh = createLibp2pMesh(
        {
          identity,
          blocks,
          clock: systemClock,
          timers: systemTimers,
          random: systemRandom,
          logger: silentLogger,
        },
        {
          network: 'local',
          listen: ['/ip4/127.0.0.1/tcp/0'],
          allowInbound: ['/ip4/127.0.0.1'],
          bootstrap: first,
          mdns: 'off',
          topics,
        },
      )
      await mesh.start()
      if (first.length === 0) first = mesh.addresses()
      else await mesh.dial(first[0]!)
      return wrap(mesh)
    },
  }
}

/** Every request takes this much longer: the control of M-1. */
export function slowed(milliseconds: number): (mesh: Mesh) => Mesh {
  return (mesh) =>
    decorate(mesh, {
      request: async (...args) => {
        await systemTimers.sleep(milliseconds)
        return mesh.request(...args)
      },
    })
}
