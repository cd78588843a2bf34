import { afterAll, describe, expect, it } from 'vitest'
import { encodeFrame } from '../src/frames.ts'
import { createNativeExecutor, type ExecutionLimits, type Executor } from '../src/index.ts'
import { TaskWindow } from '../src/native/task-window.ts'
import { CHUNK_BYTES, decodeExit, WINDOW_BYTES } from '../src/native/warden-frames.ts'
import { countedTask, outcomeOf } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { fakeWarden, forgetFakeWardens, said } from './support/fake-warden.ts'

const report = (tier: string) =>
  said('report', JSON.stringify({ tier, layers: [{ name: 'seccomp', state: 'enforced', detail: '' }] }))
const hello = (text: string) => said('runner', encodeFrame('hello', Buffer.from(`\u0001\u0000${text}`)))
const GOOD = `${report('contained')}${hello('wasmtime 1.2.3')}`

/** An executor on a program in a warden's place whose first start, the probe, is honest. */
async function executorOn(script: string): Promise<Executor> {
  const warden = await fakeWarden(`if (count === 0) say('${GOOD}'); else { ${script} }`)
  const executor = createNativeExecutor(components, { binaries: { warden, runner: '/nowhere' }, spares: 0 })
  await executor.start()
  return executor
}

async function outcomeOn(script: string, limits: Partial<ExecutionLimits> = {}): Promise<string> {
  const executor = await executorOn(script)
  try {
    const outcome = await outcomeOf(executor, await countedTask(''), {
      limits: { wallTime: 5000, ...limits },
    })
    return outcome.kind === 'fault' ? `${outcome.code} ${outcome.message}` : outcome.kind
  } finally {
    await executor.stop()
  }
}

describe.skipIf(process.platform === 'win32')('the native executor', () => {
  afterAll(forgetFakeWardens)

  it('SBX-3 gives no task to a warden that holds less than was promised at the start', async () => {
    const silent = await outcomeOn(`say('${report('process')}${hello('wasmtime 1.2.3')}')`)
    expect(silent).toMatch(/^fault\/start .*expected the tier contained, found process/)
    const refused = await outcomeOn(
      `say('${report('process')}${said('refused', 'tier: no seccomp')}'); process.exit(0)`,
    )
    expect(refused).toMatch(/^fault\/start .*expected the tier contained/)
  })

  it('SBX-3 demands in every policy the tier that was found', async () => {
    const asks = await outcomeOn(
      `if (/^tier contained$/m.test(policy) && /^cpu-percent 100$/m.test(policy)) say('${said('refused', 'policy: as expected')}')`,
    )
    expect(asks).toContain('policy: as expected')
  })

  it('GOV-7 demands in every policy the limits of the task', async () => {
    const wanted = ['cpu-percent 25', 'output-bytes 77']
    const script = `const lines = policy.split('\\n')
      const has = ${JSON.stringify(wanted)}.every((line) => lines.includes(line))
      const memory = Number(/^memory-bytes (.*)$/m.exec(policy)[1])
      if (has && memory >= 300e6 && memory < 500e6) say('${said('refused', 'policy: as expected')}')`
    const limits = { cpuPercent: 25, outputBytes: 77, memoryBytes: 300_000_000 }
    expect(await outcomeOn(script, limits)).toContain('policy: as expected')
  })

  it('SBX-3 fails to start where the demanded tier is not reached, or nothing is', async () => {
    const start = (warden: string) =>
      createNativeExecutor(components, {
        binaries: { warden, runner: '/nowhere' },
        tier: 'contained',
        startTimeout: 3000,
      }).start()
    const weak = await fakeWarden(`say('${report('process')}${hello('wasmtime 1.2.3')}')`)
    await expect(start(weak)).rejects.toMatchObject({ code: 'sandbox/tier' })
    const unwilling = await fakeWarden(
      `say('${said('refused', 'start: no user namespaces')}'); process.exit(0)`,
    )
    await expect(start(unwilling)).rejects.toMatchObject({
      code: 'sandbox/start',
      message: expect.stringContaining('no user namespaces'),
    })
    await expect(start('/no/such/program')).rejects.toMatchObject({ code: 'sandbox/start' })
    const mute = await fakeWarden('')
    await expect(start(mute)).rejects.toMatchObject({ code: 'sandbox/start' })
  })

  it('SBX-3 refuses an engine that is not the one that was probed', async () => {
    const other = await outcomeOn(`say('${report('contained')}${hello('wasmtime 6.6.6')}')`)
    expect(other).toMatch(/^fault\/start .*expected "wasmtime 1.2.3", received "wasmtime 6.6.6"/)
  })

  it('SBX-4 a warden or runner that breaks the rules is a fault, and the agent lives', async () => {
    const lies = [
      said('frozen', Buffer.alloc(5)),
      said('exit', Buffer.alloc(3)),
      said('credit'),
      said('policy', 'x'),
      'ffffffffffffffff',
      said('runner', encodeFrame('go')),
      said('runner', encodeFrame('hello')),
    ]
    const outcomes = await Promise.all(
      lies.map((lie) => outcomeOn(`say('${GOOD}'); setTimeout(() => say('${lie}'), 300)`)),
    )
    for (const outcome of outcomes) expect(outcome).toMatch(/^fault\/engine /)
  })

  it('SBX-4 a breach in the moment between start and task is told as what it is', async () => {
    expect(await outcomeOn(`say('${GOOD}${said('frozen', Buffer.alloc(5))}')`)).toMatch(
      /^fault\/(engine|start) .*frozen/,
    )
  })

  it('SBX-5 says why a runner ended that gave no answer', async () => {
    const ended = (kind: number, code: number, cause: number) => {
      const payload = Buffer.from([kind, code, 0, 0, 0, cause])
      return outcomeOn(
        `say('${GOOD}'); setTimeout(() => { say('${said('exit', payload)}'); process.exit(0) }, 300)`,
      )
    }
    const outcomes = await Promise.all([
      ended(1, 31, 2),
      ended(1, 9, 3),
      ended(0, 0, 4),
      ended(1, 11, 5),
      ended(1, 9, 6),
    ])
    expect(outcomes.map((text) => text.split(' ')[0])).toEqual([
      'fault/engine',
      'fault/host-memory',
      'fault/engine',
      'fault/child-died',
      'fault/engine',
    ])
    expect(outcomes[0]).toContain('system call that the filter forbids (signal 31)')
    expect(decodeExit(Buffer.from([0, 7, 0, 0, 0, 0])).message).toContain('exit code 7')
  })

  it('SBX-5 sends no more of a task than the warden has room for', () => {
    const chunks: number[] = []
    const window = new TaskWindow((chunk) => chunks.push(chunk.byteLength))
    const sum = () => chunks.reduce((total, bytes) => total + bytes, 0)
    window.push(new Uint8Array(3 * WINDOW_BYTES + 5))
    window.push(new Uint8Array(7))
    expect(sum()).toBe(WINDOW_BYTES)
    window.grant(10)
    expect(sum()).toBe(WINDOW_BYTES + 10)
    window.grant(4 * WINDOW_BYTES)
    expect(sum()).toBe(3 * WINDOW_BYTES + 12)
    expect(Math.max(...chunks)).toBeLessThanOrEqual(CHUNK_BYTES)
  })
})
