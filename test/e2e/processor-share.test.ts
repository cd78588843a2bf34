import { locateNative } from '@askee/sandbox'
import { afterEach, describe, expect, it } from 'vitest'
import { type RunningAgent, TestMesh } from './mesh.ts'

const mesh = new TestMesh()
afterEach(() => mesh.stop())

async function processorLine({ client, node }: RunningAgent): Promise<string | undefined> {
  const text = await client.consentText({
    requester: node,
    purpose: 'end-to-end test',
    kinds: ['scientific-compute'],
    lifetimeMs: 3_600_000,
    cpuPercentMax: 25,
    ramMbMax: 512,
    storageGbMax: 1,
    bandwidthMbpsMax: 1000,
    maxDurationHours: 1,
    minReputation: 0,
  })
  return text.split('\n').find((line) => line.startsWith('Processor:'))
}

describe('what a consent says of the processor', () => {
  it('CON-3 GOV-7 is that nothing enforces it, where tasks run on the portable executor', async () => {
    const agent = await mesh.start('portable', [], ['--executor', 'portable'])
    expect(await processorLine(agent)).toMatch(/up to 25 % \(written down; nothing on this machine/)
  })

  it.skipIf('missing' in locateNative())(
    'CON-3 GOV-7 is that it is enforced, where there is a warden',
    async () => {
      const agent = await mesh.start('native', [], ['--executor', 'native'])
      expect(await processorLine(agent)).toMatch(/up to 25 %: each task is held to that share/)
    },
  )
})
