import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  createHeldV8Executor,
  createNativeExecutor,
  createPortableExecutor,
  type Executor,
  locateNative,
} from '../src/index.ts'
import { countdown, countedTask, requestOf, task, told } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { locateV8 } from './support/held-v8.ts'
import { hurryHeld } from './support/hurry.ts'

const MIB = 1024 * 1024
const found = locateV8()
const binaries = locateNative()

/** What wardens below this process hold, but for their reapers. */
function heldProcesses(): number[] {
  const below = (pid: number) =>
    spawnSync('ps', ['-o', 'pid=,comm=', '--ppid', String(pid)], { encoding: 'utf8' })
      .stdout.split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([pid]) => pid !== '')
  const wardens = below(process.pid).filter(([, name]) => name === 'askee-warden')
  return wardens
    .flatMap(([pid]) => below(Number(pid)))
    .filter(([, name]) => name !== 'askee-reaper')
    .map(([pid]) => Number(pid))
}

function ofThreads(pid: number, field: RegExp): string[] {
  return readdirSync(`/proc/${pid}/task`).map(
    (thread) => field.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'))?.[1] ?? '',
  )
}

describe.skipIf('missing' in found)('V8 under a warden', () => {
  const paths = 'missing' in binaries ? { warden: '', runner: '' } : binaries
  const v8 = createHeldV8Executor(components, { ...paths, startTimeout: 50_000, spares: 0 })
  const native = createNativeExecutor(components, { binaries: paths, startTimeout: 50_000 })
  const portable = createPortableExecutor(components, { niceness: 0 })
  let calm = (): void => {}
  beforeAll(async () => {
    calm = hurryHeld()
    await Promise.all([v8.start(), native.start(), portable.start()])
  })
  afterAll(async () => {
    await Promise.all([v8.stop(), native.stop(), portable.stop()])
    calm()
  })

  it('SBX-3 is as well contained as wasmtime, and says what it has less', () => {
    const { name, engine, tier, report, engineVersion } = v8.describe()
    expect({ name, engine, tier }).toEqual({ name: 'v8', engine: 'v8', tier: native.describe().tier })
    expect(engineVersion).toBe(process.versions.v8)
    const names = (one: Executor, state: string) =>
      (one.describe().report ?? []).filter((layer) => layer.state === state).map((layer) => layer.name)
    const less = ['no-new-code', 'compiling-apart', 'one-thread', 'no-clock']
    expect(names(v8, 'missing')).toEqual(expect.arrayContaining(less))
    const roots = (all: string[]) => all.map((each) => (each === 'listed-root' ? 'empty-root' : each)).sort()
    const shared = names(native, 'enforced').filter((name) => !less.includes(name))
    expect(roots(names(v8, 'enforced'))).toEqual(roots(shared))
    expect(report?.map((layer) => layer.name)).toContain('listed-root')
  })

  it('SBX-1 has both filters on every thread before a task is there, and stands still as a whole', async () => {
    const execution = await v8.execute(requestOf(await countedTask('(loop $again (br $again))')))
    const [pid = 0, ...others] = heldProcesses()
    expect(others).toEqual([])
    expect(ofThreads(pid, /^Seccomp_filters:\s+(\d+)/m)).toEqual(expect.arrayContaining(['2', '2', '2']))
    expect(new Set(ofThreads(pid, /^Seccomp_filters:\s+(\d+)/m))).toEqual(new Set(['2']))
    expect(new Set(ofThreads(pid, /^CapEff:\s+(\d+)/m))).toEqual(new Set(['0000000000000000']))
    await execution.freeze()
    const before = await execution.usage()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const after = await execution.usage()
    expect(after.cpuTime).toBe(before.cpuTime)
    await execution.thaw()
    await execution.kill('test over')
  })

  it('GOV-7 holds all threads of a task together to its share of a processor', async () => {
    const module = await countedTask('(loop $again (br $again))')
    const execution = await v8.execute(requestOf(module, { limits: { cpuPercent: 20 } }))
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = await execution.usage()
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const after = await execution.usage()
    await execution.kill('test over')
    expect(after.cpuTime).toBeGreaterThan(before.cpuTime)
    expect((after.cpuTime - before.cpuTime) / (after.wallTime - before.wallTime)).toBeLessThan(0.3)
  })

  it('WSM-1 much memory, input and output pass, though threads then fight for locks', async () => {
    const module = await task({
      pages: [1, 1024],
      body: `(func (export "run") (local i32)
        (if (i32.ne (memory.grow (i32.const 1023)) (i32.const 1)) (then unreachable))
        (call $output_write (i32.const 0) (i32.const 33554432)))`,
    })
    const limits = { memoryBytes: 1024 * 65_536, outputBytes: 32 * MIB }
    for (let round = 0; round < 3; round++) {
      const execution = await v8.execute(requestOf(module, { limits, input: new Uint8Array(50 * MIB) }))
      const outcome = await execution.outcome
      expect(outcome).toMatchObject({ kind: 'completed', result: { trap: null } })
    }
  })

  it('WSM-5 a checkpoint goes on from here on every other executor, and from there here', async () => {
    const module = await countdown(5_000_000)
    const request = requestOf(module, { input: Uint8Array.of(60), limits: { fuel: (10n ** 15n) as never } })
    const whole = told(await (await portable.execute(request)).outcome)
    expect(whole).toMatch(/^[0-9a-f]* null \d+$/)
    const order = [v8, native, v8, portable, v8]
    let resumeFrom: Checkpoint | undefined
    let hops = 0
    for (const executor of order) {
      const resumed = resumeFrom === undefined ? request : { ...request, resumeFrom }
      const execution = await executor.execute(resumed)
      await execution.checkpoint()
      const outcome = await execution.outcome
      if (outcome.kind !== 'checkpointed') {
        expect(told(outcome)).toBe(whole)
        break
      }
      resumeFrom = outcome.checkpoint
      hops += 1
    }
    expect(hops).toBeGreaterThan(1)
    const rest = resumeFrom === undefined ? request : { ...request, resumeFrom }
    expect(told(await (await native.execute(rest)).outcome)).toBe(whole)
  })
})
