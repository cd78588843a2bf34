import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { grant, TestMesh } from './mesh.ts'

const mesh = new TestMesh()
afterEach(() => mesh.stop())

const DEADLINE_MS = 300_000

describe('askee data accept-restored', () => {
  it(
    'STO-1 CON-5 asks, and then lets an agent start on consents of before, none of them open',
    async () => {
      const requester = await mesh.start('requester')
      const first = await mesh.start('back')
      await grant(first, requester)
      await first.stop()
      const data = join(mesh.directory, 'back')
      copyFileSync(join(data, 'consents.db'), join(mesh.directory, 'copy'))
      const second = await mesh.start('back')
      await second.client.revokeAll('no longer wanted')
      await second.stop()
      copyFileSync(join(mesh.directory, 'copy'), join(data, 'consents.db'))

      const accept = ['data', 'accept-restored', '--data', data, '--json']
      const unasked = await askee(accept)
      expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('repeat with --yes')])
      expect(unasked.stderr).toContain('consents.db is older than it was last seen here')
      const accepted = await askee([...accept, '--yes', '--reason', 'a new disk'])
      expect(JSON.parse(accepted.stdout)).toMatchObject({
        node: first.node,
        databases: [{ name: 'consents.db', finding: 'older' }],
        suspended: [expect.any(String)],
      })
      const third = await mesh.start('back')
      expect(await third.client.consents()).toMatchObject([{ phase: 'suspended', live: false }])
      // Its checkpoints spoke of newer consents: a new log says that they end here.
      expect((await third.client.status()).audit).toMatchObject({
        alarms: [],
        began: { reason: 'its owner put back databases of before' },
      })
      const { entries } = await third.client.auditLog({ limit: 1000 })
      const own = entries.find(({ action }) => action === 'state.accepted')
      expect(own).toMatchObject({ content: { reason: 'a new disk', found: 'consents.db older' } })
      // An agent has the directory.
      expect(JSON.parse((await askee([...accept, '--yes'])).stdout).error.code).toBe('store/in-use')
    },
    DEADLINE_MS,
  )
})
