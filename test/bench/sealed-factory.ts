import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mesh, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { keyTopics, openKeyStore, openSoftwareDeviceKey } from '@askee/keys'
import { createNodeKeys } from '../../apps/agent/src/keys.ts'
import type { MeshFactory } from '../../packages/compute/bench/coordination.ts'

/** The same nodes with keys, so that requester and worker talk in sealed sessions as in the agent. */
export function sealedFactory(factory: MeshFactory): MeshFactory {
  return {
    async create(identity, topics, blocks) {
      const mesh = await factory.create(identity, new Map([...topics, ...keyTopics(systemClock)]), blocks)
      const directory = await mkdtemp(join(tmpdir(), 'askee-bench-keys-'))
      const deviceKey = await openSoftwareDeviceKey({ path: join(directory, 'device'), random: systemRandom })
      const store = await openKeyStore({
        directory: join(directory, 'keys'),
        deviceKey,
        random: systemRandom,
      })
      const keys = createNodeKeys({
        identity,
        owner: identity.id,
        store,
        mesh,
        audit: { append: async () => ({ index: 0, leaf: '' }) },
        clock: systemClock,
        timers: systemTimers,
        random: systemRandom,
        logger: silentLogger,
        isKnown: () => false,
        isAdmitted: () => false,
      })
      await keys.start()
      const sealed: Mesh = keys.conversations.mesh
      return decorate(sealed, {
        stop: async () => {
          await keys.stop()
          await mesh.stop()
          await rm(directory, { recursive: true })
        },
      })
    },
  }
}
