import { describe, expect, it } from 'vitest'
import { type ChooseExecutorInit, chooseExecutor, holdsProcessorShare, locateNative } from '../src/index.ts'
import { components } from './quiet-logger.ts'

async function isHeldBy(init: ChooseExecutorInit): Promise<boolean> {
  const executor = chooseExecutor(components, init)
  await executor.start()
  const holds = holdsProcessorShare(executor.describe())
  await executor.stop()
  return holds
}

describe('whether a task is held to its share of a processor', () => {
  it('GOV-7 is denied by the portable executor, which cannot', async () => {
    expect(await isHeldBy({ policy: 'portable' })).toBe(false)
    expect(await isHeldBy({ policy: 'best', native: { missing: 'a test' } })).toBe(false)
  })

  it.skipIf('missing' in locateNative())(
    'GOV-7 is said by the warden, with a group for it or without',
    async () => {
      expect(await isHeldBy({ policy: 'native' })).toBe(true)
    },
  )

  it('GOV-7 goes by layers that are in force, not by those that are known', () => {
    const layer = (name: string, state: 'enforced' | 'missing') => ({ name, state, detail: '' })
    const base = { name: 'x', engine: 'v8', engineVersion: '0', tier: 'process', layers: [] } as const
    expect(holdsProcessorShare(base)).toBe(false)
    const report = [layer('cgroup-cpu', 'missing'), layer('seccomp', 'enforced')]
    expect(holdsProcessorShare({ ...base, report })).toBe(false)
    for (const name of ['cgroup-cpu', 'duty-cycle', 'cpu-rate']) {
      expect(holdsProcessorShare({ ...base, report: [layer(name, 'enforced')] })).toBe(true)
    }
  })
})
