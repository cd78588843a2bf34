import { afterEach, describe, expect, it, vi } from 'vitest'
import { encodeFrame } from '../src/frames.ts'
import { chooseExecutor, type Executor, locateNative } from '../src/index.ts'
import { outcomeOf, requestOf, runTask, told } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { fakeWarden, forgetFakeWardens, said } from './support/fake-warden.ts'
import { locateV8 } from './support/held-v8.ts'
import { hurryHeld } from './support/hurry.ts'

const MISSING = { missing: 'nothing was built' }
let executor: Executor | undefined
afterEach(async () => {
  vi.unstubAllEnvs()
  await executor?.stop()
  await forgetFakeWardens()
})

describe('the choice of an executor', () => {
  it('SBX-3 takes the portable one, and says why, where native containment is missing', async () => {
    executor = chooseExecutor(components, { policy: 'best', native: MISSING })
    await expect(executor.execute(requestOf(await runTask('')))).rejects.toMatchObject({
      code: 'sandbox/stopped',
    })
    await executor.start()
    expect(executor.describe()).toMatchObject({
      name: 'portable',
      tier: 'process',
      reason: expect.stringContaining('nothing was built'),
    })
    expect(told(await outcomeOf(executor, await runTask('')))).toMatch(/^ null \d+$/)
  })

  it.skipIf(process.platform === 'win32')(
    'SBX-3 takes the portable one, and names the missing layer, where containment does not hold',
    async () => {
      const layers = [{ name: 'user-namespace', state: 'missing', detail: 'forbidden here' }]
      const report = said('report', JSON.stringify({ tier: 'process', layers }))
      const hello = said('runner', encodeFrame('hello', Buffer.from('\u0001\u0000wasmtime 1.2.3')))
      const warden = await fakeWarden(`say('${report}${hello}')`)
      executor = chooseExecutor(components, { policy: 'best', native: { warden, runner: '/nowhere' } })
      await executor.start()
      expect(executor.describe().reason).toContain('user-namespace (forbidden here)')
      expect(executor.describe().name).toBe('portable')
    },
  )

  it.skipIf('missing' in locateNative())(
    'GOV-7 puts tasks below the group that the environment names, and says why it cannot',
    async () => {
      vi.stubEnv('ASKEE_CGROUP', '/nowhere/askee')
      executor = chooseExecutor(components, { policy: 'native' })
      await executor.start()
      const reason = { state: 'missing', detail: expect.stringContaining('/nowhere/askee') }
      for (const name of ['cgroup-cpu', 'cgroup-idle']) {
        expect(executor.describe().report).toContainEqual({ name, ...reason })
      }
    },
  )

  it.skipIf('missing' in locateNative())(
    'SBX-3 a line break in what the environment names never reaches the warden as a line of its own',
    async () => {
      vi.stubEnv('ASKEE_CGROUP', '/nowhere\ntier process')
      executor = chooseExecutor(components, { policy: 'native' })
      await expect(executor.start()).rejects.toMatchObject({
        code: 'sandbox/policy',
        message: expect.stringContaining('without line breaks'),
      })
    },
  )

  it('SBX-3 fails loudly when native containment was demanded and is missing', async () => {
    const own = chooseExecutor(components, { policy: 'native', native: MISSING })
    await expect(own.start()).rejects.toMatchObject({ code: 'sandbox/native-missing' })
  })

  it('SBX-3 says that the portable one was asked for', async () => {
    executor = chooseExecutor(components, { policy: 'portable' })
    await executor.start()
    expect(executor.describe()).toMatchObject({ name: 'portable', reason: 'portable was asked for' })
    const missing = executor.describe().report?.filter((layer) => layer.state === 'missing')
    expect(missing?.map(({ name }) => name)).toEqual(['kernel isolation', 'processor share'])
  })

  it('SBX-3 takes V8 in a bare process, and says why, where V8 was asked for and cannot be held', async () => {
    executor = chooseExecutor(components, { policy: 'v8', native: MISSING })
    await executor.start()
    expect(executor.describe()).toMatchObject({
      name: 'portable',
      engine: 'v8',
      tier: 'process',
      reason: expect.stringContaining('nothing was built'),
    })
    await executor.stop()
    const warden = await fakeWarden('')
    executor = chooseExecutor(components, { policy: 'v8', native: { warden, runner: '/nowhere' } })
    await executor.start()
    expect(executor.describe()).toMatchObject({ name: 'portable', reason: expect.stringContaining('seal') })
  })

  it.skipIf('missing' in locateV8())('SBX-3 takes V8 under the warden where that holds', async () => {
    const calm = hurryHeld()
    executor = chooseExecutor(components, { policy: 'v8' })
    await executor.start()
    expect(executor.describe()).toMatchObject({ name: 'v8', engine: 'v8', tier: 'contained' })
    expect(executor.describe().reason).toBeUndefined()
    expect(told(await outcomeOf(executor, await runTask('')))).toMatch(/^ null \d+$/)
    calm()
  })

  it('SBX-3 looks for the programs only where the environment says, if it does', () => {
    expect(locateNative({ ASKEE_NATIVE_DIR: '/no/such/folder' })).toMatchObject({
      missing: expect.stringContaining('/no/such/folder'),
    })
  })
})
