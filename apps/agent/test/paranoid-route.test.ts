import { systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { type Alert, createIdentity, verifyAlert } from '@askee/keys'
import fastify from 'fastify'
import { expect, it } from 'vitest'
import { type ParanoidRouteParts, paranoidRoutes } from '../src/control/paranoid.ts'

it('MSG-2 signs alerts above the last one although the clock was set back, at the time that it shows', async () => {
  const taken: Alert[] = []
  const conversations = {
    mode: () => 'normal' as const,
    nextAlert: () => 9_000 + taken.length,
    alert: async (bytes: Uint8Array) => void taken.push(verifyAlert(bytes).alert),
  }
  const server = fastify()
  paranoidRoutes(server, {
    identity: createIdentity(systemRandom),
    volunteer: createIdentity(systemRandom),
    nodeKeys: { conversations } as unknown as ParanoidRouteParts['nodeKeys'],
    clock: new VirtualTime(5_000),
  })
  for (const action of ['enter', 'leave']) {
    const payload = { action, reason: 'drill' }
    expect((await server.inject({ method: 'POST', url: '/v1/keys/paranoid', payload })).statusCode).toBe(200)
  }
  expect(taken.map(({ sequence, at }) => [sequence, at])).toEqual([
    [9_000, 5_000],
    [9_001, 5_000],
  ])
  await server.close()
})
