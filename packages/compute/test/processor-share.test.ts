import { type Fuel, silentLogger, systemClock, systemTimers } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { createNativeExecutor, type Execution, type Executor, locateNative } from '@askee/sandbox'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processorShare } from '../src/worker/processor-share.ts'
import { Cluster, campaignOf, PERMISSIONS } from './support/cluster.ts'
import { honest } from './support/function-executor.ts'

/** `run` loops for ever over a memory of one page. */
const SPINNING_MODULE = Uint8Array.from([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00,
  0x05, 0x04, 0x01, 0x01, 0x01, 0x01, 0x07, 0x10, 0x02, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00,
  0x03, 0x72, 0x75, 0x6e, 0x00, 0x00, 0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b,
])
const MEASURED_MS = 3000
/** More than is burnt before the test ends it. */
const FUEL = (1n << 62n) as Fuel

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

function allowing(cpuPercentMax: number): typeof PERMISSIONS {
  return { ...PERMISSIONS, resources: { ...PERMISSIONS.resources, cpuPercentMax } }
}

describe('the share of a processor', () => {
  it('GOV-7 keeps all tasks together within the consent, unless that is less than can be given', () => {
    expect(processorShare(25, 1, 2)).toBe(25)
    expect(processorShare(25.9, 2, 2)).toBe(25)
    expect(processorShare(50, 4, 2)).toBe(25)
    expect(processorShare(1, 64, 1)).toBe(1)
    const percent = fc.double({ min: 1, max: 100, noNaN: true })
    const count = fc.integer({ min: 1, max: 256 })
    fc.assert(
      fc.property(percent, count, count, (cpuPercentMax, slots, processors) => {
        const share = processorShare(cpuPercentMax, slots, processors)
        expect(Number.isInteger(share) && share >= 1 && share <= 100).toBe(true)
        if (share > 1) expect(share * slots).toBeLessThanOrEqual(cpuPercentMax * processors)
        expect(share).toBeLessThanOrEqual(cpuPercentMax)
      }),
    )
  })

  it('GOV-7 hands every task the share and the memory that its own consent allows', async () => {
    const requester = await cluster.requester()
    const given: Record<string, Set<unknown>> = { narrow: new Set(), wide: new Set(), crowded: new Set() }
    const memory = new Set<unknown>()
    const noting = (name: string) => (request: Parameters<typeof honest>[0]) => {
      given[name]?.add(request.limits.cpuPercent)
      memory.add(request.limits.processBytes)
      return honest(request)
    }
    await cluster.volunteer(noting('narrow'), { permissions: allowing(12.5) })
    await cluster.volunteer(noting('wide'), { permissions: allowing(100) })
    const init = { slots: 4, processors: 2 }
    await cluster.volunteer(noting('crowded'), { permissions: allowing(50), init })
    await requester.wait(await requester.submit(campaignOf(3)))
    expect(given).toEqual({ narrow: new Set([12]), wide: new Set([100]), crowded: new Set([25]) })
    expect(memory).toEqual(new Set([PERMISSIONS.resources.ramMbMax * 1024 * 1024]))
  })
})

const binaries = locateNative()

describe.skipIf('missing' in binaries)('the share of a processor under the warden', () => {
  /** Processor time of a task that never ends, under a consent, divided by the time that passed. */
  async function measure(cpuPercentMax: number): Promise<number> {
    if ('missing' in binaries) throw new Error(binaries.missing)
    const components = { clock: systemClock, timers: systemTimers, logger: silentLogger }
    const native = createNativeExecutor(components, { binaries, spares: 0 })
    await native.start()
    const running = Promise.withResolvers<Execution>()
    const executor: Executor = decorate(native, {
      execute: async (request) => {
        const execution = await native.execute(request)
        running.resolve(execution)
        return execution
      },
    })
    const volunteer = await cluster.volunteer(honest, { executor, permissions: allowing(cpuPercentMax) })
    const requester = await cluster.requester(':memory:', { silence: 100_000, requestTimeout: 20_000 })
    const spec = campaignOf(1, { f: 0, module: SPINNING_MODULE, deadline: 300_000 })
    const wallTime = 280_000
    await requester.submit({ ...spec, resources: { ...spec.resources, fuel: FUEL, wallTime } })
    const execution = await running.promise
    const ended = execution.outcome.then((outcome) => {
      throw new Error(`the task ended: ${outcome.kind === 'fault' ? outcome.message : outcome.kind}`)
    })
    // On a fully busy machine a task at the lowest priority hardly runs at all.
    const computing = expect
      .poll(async () => (await execution.usage()).cpuTime, { timeout: 100_000, interval: 200 })
      .toBeGreaterThan(20)
    await Promise.race([ended, computing])
    const before = await execution.usage()
    await systemTimers.sleep(MEASURED_MS)
    const after = await execution.usage()
    await requester.stop()
    await volunteer.worker.stop()
    await execution.kill('measured')
    await native.stop()
    return (after.cpuTime - before.cpuTime) / (after.wallTime - before.wallTime)
  }

  it('GOV-7 a task under a consent of a quarter takes a quarter of one processor', async () => {
    const quarter = await measure(25)
    expect(quarter).toBeLessThan(0.35)
    await cluster.stop()
    cluster = new Cluster()
    // Where other programs leave the machine little, a task at the lowest priority gets less than it may have.
    const whole = await measure(100)
    expect(whole).toBeGreaterThan(0)
    if (whole > 0.8) expect(quarter).toBeGreaterThan(0.1)
  }, 300_000)
})
