import { expect, it } from 'vitest'
import type { Executor } from '../executor.ts'
import { countdown } from './acceptance-stepwise.ts'
import type { MakeExecutor } from './executor-acceptance.ts'
import { outcomeOf, requestOf, told } from './run.ts'
import { countedTask, runTask } from './wat.ts'

const FOREVER = '(loop $again (br $again))'
const sleep = (span: number) => new Promise((resolve) => setTimeout(resolve, span))

/** Freeze, thaw, kill, usage, progress, and the end of the executor. */
export function describeControl(executor: Executor, makeExecutor: MakeExecutor): void {
  it('SBX-5 a frozen task uses no processor time and its wall time stands still', async () => {
    const execution = await executor.execute(
      requestOf(await countedTask(FOREVER), { limits: { wallTime: 400 } }),
    )
    await sleep(50)
    await execution.freeze()
    const before = await execution.usage()
    await sleep(600)
    const after = await execution.usage()
    expect(after.cpuTime - before.cpuTime).toBeLessThanOrEqual(10)
    expect(after.wallTime).toBe(before.wallTime)
    expect(after.frozenTime - before.frozenTime).toBeGreaterThan(500)
    await execution.thaw()
    expect(told(await execution.outcome)).toBe('fault/wall-time')
    expect((await execution.usage()).wallTime).toBeGreaterThanOrEqual(390)
  })

  it('SBX-5 frozen and thawed many times a task gives the same result', async () => {
    const module = await countdown(1_000_000)
    const input = Uint8Array.of(40)
    const whole = told(await outcomeOf(executor, module, { input }))
    const execution = await executor.execute(requestOf(module, { input }))
    for (let round = 0; round < 50; round++) {
      await Promise.all([execution.freeze(), execution.freeze()])
      await execution.thaw()
    }
    expect(told(await execution.outcome)).toBe(whole)
    await execution.freeze()
    await execution.thaw()
  })

  it('SBX-5 a task can be killed, running and frozen, and the first reason stands', async () => {
    const module = await countedTask(FOREVER)
    for (const freezeFirst of ['frozen', 'running']) {
      const execution = await executor.execute(requestOf(module))
      if (freezeFirst === 'frozen') await execution.freeze()
      await execution.kill('the person came back')
      await execution.kill('again')
      expect(await execution.outcome).toEqual({ kind: 'killed', reason: 'the person came back' })
    }
  })

  it('SBX-5 killing a task that has ended changes nothing', async () => {
    const execution = await executor.execute(requestOf(await runTask('')))
    const outcome = await execution.outcome
    await execution.kill('late')
    expect(await execution.outcome).toEqual(outcome)
  })

  it('GOV-7 reports processor time and peak memory of the task', async () => {
    const execution = await executor.execute(requestOf(await countedTask(FOREVER)))
    // An engine's own start counts as processor time and not as running: what the task itself takes is told by growth.
    const before = await execution.usage()
    // Work of the lowest priority may wait long for its first turn on a busy machine.
    while ((await execution.usage()).cpuTime < before.cpuTime + 60) await sleep(20)
    await execution.kill('enough')
    const usage = await execution.usage()
    expect(usage.cpuTime).toBeGreaterThanOrEqual(before.cpuTime + 60)
    expect(usage.cpuTime - before.cpuTime).toBeLessThan(usage.wallTime - before.wallTime + 1000)
    expect(usage.wallTime).toBeGreaterThan(before.wallTime + 10)
    expect(usage.frozenTime).toBe(0)
    expect(usage.peakMemoryBytes).toBeGreaterThan(1024 * 1024)
  })

  it('WSM-4 tells progress as fuel used, at most ten times a second', async () => {
    const told: bigint[] = []
    const start = performance.now()
    const request = requestOf(await countdown(4_000_000), {
      input: Uint8Array.of(200),
      limits: { outputBytes: 10_000 },
      onProgress: ({ fuel }) => told.push(fuel),
    })
    await (await executor.execute(request)).outcome
    expect(told.length).toBeGreaterThan(0)
    expect(told.length).toBeLessThanOrEqual((performance.now() - start) / 100)
    expect(told).toEqual([...told].sort((a, b) => (a < b ? -1 : 1)))
  })

  it('SBX-5 a listener that throws harms neither the task nor the agent', async () => {
    const module = await countedTask('(call $log (i32.const 0) (i32.const 4))')
    const onLog = () => {
      throw new Error('listener')
    }
    expect(told(await outcomeOf(executor, module, { onLog }))).toBe(' null 0')
  })

  it('SBX-5 stopping the executor kills what runs, and it takes no more work', async () => {
    const own = makeExecutor()
    const module = await countedTask(FOREVER)
    await expect(own.execute(requestOf(module))).rejects.toMatchObject({ code: 'sandbox/stopped' })
    await own.start()
    const execution = await own.execute(requestOf(module))
    await execution.freeze()
    await own.stop()
    await own.stop()
    expect(['killed', 'fault/child-died']).toContain(told(await execution.outcome))
    await expect(own.execute(requestOf(module))).rejects.toMatchObject({ code: 'sandbox/stopped' })
  })

  it('SBX-3 says what holds a task', () => {
    const description = executor.describe()
    expect(description.layers.length).toBeGreaterThan(0)
    expect(['contained', 'process']).toContain(description.tier)
    expect(description.engineVersion).toMatch(/^\d+\.\d+/)
  })
}
