import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '@askee/core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createNativeExecutor, type Executor, locateNative, type NativeExecutorInit } from '../src/index.ts'
import { CompiledCache, compiledIdentity } from '../src/native/compiled-cache.ts'
import { countedTask, outcomeOf, requestOf, runTask, task, told } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { compiledFileName, openCompiled, sealCompiled } from './support/compiled-file.ts'

const binaries = locateNative()
const KEY = new Uint8Array(32).fill(7)
let folder = ''
let executor: Executor | undefined

async function started(init: Partial<NativeExecutorInit> = {}): Promise<Executor> {
  if ('missing' in binaries) throw new Error(binaries.missing)
  executor = createNativeExecutor(components, { binaries, spares: 0, ...init })
  await executor.start()
  return executor
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'askee-cache-'))
})
afterEach(() => executor?.stop())
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.skipIf('missing' in binaries)('the native executor with a real warden', () => {
  it('GOV-7 holds a task to its share of a processor', async () => {
    const own = await started()
    const module = await countedTask('(loop $again (br $again))')
    const limits = { wallTime: 60_000, cpuPercent: 20 }
    const execution = await own.execute(requestOf(module, { limits }))
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = await execution.usage()
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const after = await execution.usage()
    await execution.kill('test over')
    const share = (after.cpuTime - before.cpuTime) / (after.wallTime - before.wallTime)
    expect(share).toBeLessThan(0.3)
    for (const cpuPercent of [0, 101, 2.5]) {
      await expect(own.execute(requestOf(module, { limits: { cpuPercent } }))).rejects.toMatchObject({
        code: 'sandbox/limits',
      })
    }
  })

  it('GOV-7 holds engine and task together to what the whole process may take', async () => {
    const own = await started()
    const pages: [number, number] = [3072, 3072]
    // 192 MiB, all of it touched.
    const body = '(func (export "run") (memory.fill (i32.const 0) (i32.const 1) (i32.const 201326592)))'
    const module = await task({ pages, body })
    const limits = { memoryBytes: 3072 * 65_536, fuel: 10_000_000_000n as never, wallTime: 60_000 }
    const narrow = { ...limits, processBytes: 96 * 1024 * 1024 }
    expect(told(await outcomeOf(own, module, { limits: narrow }))).toMatch(
      /^fault\/(host-memory|start|engine)/,
    )
    expect(told(await outcomeOf(own, module, { limits }))).toMatch(/^ null/)
    const wide = { ...limits, processBytes: 512 * 1024 * 1024 }
    expect(told(await outcomeOf(own, module, { limits: wide }))).toMatch(/^ null/)
  })

  it('SBX-3 says what is enforced and what is missing', async () => {
    const { tier, layers, report, engineVersion } = (await started()).describe()
    const enforced = report?.filter((layer) => layer.state === 'enforced').map(({ name }) => name)
    expect(enforced).toContain('no-new-privileges')
    expect(layers.length).toBeGreaterThanOrEqual(enforced?.length ?? 0)
    expect(engineVersion).toMatch(/^36\./)
    if (tier === 'contained')
      expect(enforced).toEqual(expect.arrayContaining(['seccomp', 'network-namespace']))
  })

  it('SBX-5 an input larger than the window arrives whole, also when the task was frozen meanwhile', async () => {
    const own = await started()
    const input = new Uint8Array(5 * 1024 * 1024).map((_, index) => index * 31)
    const module = await runTask(`
      (drop (call $input_read (i32.const 0) (i32.const 5242876) (i32.const 4)))
      (i32.store (i32.const 4) (call $input_size))
      (call $output_write (i32.const 0) (i32.const 8))`)
    const execution = await own.execute(requestOf(module, { input }))
    await execution.freeze()
    await execution.thaw()
    const tail = Buffer.from(input.subarray(-4)).toString('hex')
    expect(told(await execution.outcome)).toMatch(new RegExp(`^${tail}00005000 null \\d+$`))
  })

  it('SBX-5 answers and kills while a frozen task does not read its input', async () => {
    const own = await started()
    const module = await runTask('(drop (call $input_size))')
    const input = new Uint8Array(5 * 1024 * 1024)
    for (let round = 0; round < 30; round++) {
      const execution = await own.execute(requestOf(module, { input, limits: { wallTime: 30_000 } }))
      // At another place of the input in every round.
      await new Promise((resolve) => setTimeout(resolve, round))
      await execution.freeze()
      await execution.usage()
      const start = performance.now()
      await execution.kill('test over')
      await execution.outcome
      expect(performance.now() - start).toBeLessThan(10_000)
    }
  }, 60_000)

  it('SBX-4 keeps compiled modules under its key, and compiles again what was changed', async () => {
    const directory = join(folder, 'compiled')
    const own = await started({ cache: { directory, key: KEY } })
    const module = await runTask('(call $output_write (i32.const 0) (i32.const 1))')
    const first = told(await outcomeOf(own, module))
    const [name] = await readdir(directory)
    expect(name).toMatch(/^[0-9a-f]{64}\.compiled$/)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    const path = join(directory, name!)
    const good = await readFile(path)
    expect(told(await outcomeOf(own, module))).toBe(first)
    await truncate(path, good.byteLength - 1)
    expect(told(await outcomeOf(own, module))).toBe(first)
    expect((await readFile(path)).byteLength).toBe(good.byteLength)
  })

  it('STO-1 writes compiled modules as PROTOCOL.md says, and nothing of them in clear', async () => {
    const directory = join(folder, 'sealed')
    const own = await started({ cache: { directory, key: KEY } })
    const used = vi.spyOn(CompiledCache.prototype, 'used')
    const module = await runTask('(call $output_write (i32.const 0) (i32.const 4))')
    await outcomeOf(own, module)
    const hello = used.mock.lastCall?.[0] as string
    const identity = compiledIdentity(hello, digestOf(module))
    const [name] = await readdir(directory)
    expect(name).toBe(compiledFileName(KEY, identity))
    expect(name).not.toContain(identity.toString('hex'))
    const file = await readFile(join(directory, name!))
    const compiled = openCompiled(KEY, identity, file)
    // Machine code as wasmtime keeps it: an ELF file with sections of that name.
    expect(compiled?.subarray(1, 4).toString()).toBe('ELF')
    expect(compiled?.includes('wasmtime')).toBe(true)
    for (const clear of ['ELF', 'wasmtime', compiled!.subarray(64, 96)])
      expect(file.includes(clear)).toBe(false)
    expect(sealCompiled(KEY, identity, compiled!).equals(file)).toBe(true)
    expect(openCompiled(KEY, compiledIdentity(hello, digestOf(compiled!)), file)).toBeUndefined()
  })

  it('CON-5 forgets what was compiled of a module, and a draft of it, and nothing else', async () => {
    const directory = join(folder, 'forgotten')
    const own = await started({ cache: { directory, key: KEY } })
    const module = await runTask('(call $output_write (i32.const 0) (i32.const 3))')
    await outcomeOf(own, module)
    const [name] = await readdir(directory)
    const strange = `${'a'.repeat(64)}.compiled`
    for (const other of [name!.replace('compiled', '77.draft'), strange])
      await writeFile(join(directory, other), '')
    await own.forget?.(digestOf(module))
    expect(await readdir(directory)).toEqual([strange])
  })

  it('CON-2 says what compiled code takes on disk, never more than it promised, and keeps none that is not to be kept', async () => {
    const directory = join(folder, 'counted')
    const own = await started({ cache: { directory, key: KEY } })
    const module = await runTask('(call $output_write (i32.const 0) (i32.const 5))')
    const digest = digestOf(module)
    const first = told(await outcomeOf(own, module, { compiled: 'not-kept' }))
    expect(await readdir(directory)).toEqual([])
    expect(await own.keptBytes?.(digest)).toBe(0)
    expect(told(await outcomeOf(own, module))).toBe(first)
    const [name] = await readdir(directory)
    const { size } = await stat(join(directory, name!))
    const kept = (await own.keptBytes?.(digest)) ?? 0
    expect(kept).toBeGreaterThanOrEqual(size)
    expect(kept).toBeLessThan(size + 4096)
    expect(kept).toBeLessThanOrEqual(own.mostKeptBytes?.() ?? 0)
    await own.forget?.(digest)
    expect(await own.keptBytes?.(digest)).toBe(0)
    await own.stop()
    expect((await started()).mostKeptBytes?.()).toBe(0)
  })

  it('SBX-5 notes the use of a compiled module under the name the warden gives it', async () => {
    const directory = join(folder, 'noted')
    const own = await started({ cache: { directory, key: KEY } })
    const module = await runTask('(call $output_write (i32.const 0) (i32.const 2))')
    await outcomeOf(own, module)
    const path = join(directory, (await readdir(directory))[0]!)
    await utimes(path, 1000, 1000)
    await outcomeOf(own, module)
    await own.stop()
    expect((await stat(path)).mtimeMs).toBeGreaterThan(1e12)
  })
})

describe('the folder of compiled modules', () => {
  it('SBX-5 loses what was used longest ago when it is over its size, and drafts of killed wardens', async () => {
    const directory = join(folder, 'pruned')
    const cache = new CompiledCache(components.clock, { directory, key: KEY, maxBytes: 250 })
    await cache.open()
    const now = components.clock.now() / 1000
    const names = ['a.compiled', 'b.compiled', 'c.compiled', 'd.1.draft']
    for (const [index, name] of names.entries()) {
      await writeFile(join(directory, name), new Uint8Array(100))
      await utimes(join(directory, name), now - 10_000 + index, now - 10_000 + index)
    }
    await cache.prune()
    expect((await readdir(directory)).sort()).toEqual(['b.compiled', 'c.compiled'])
  })

  it('STO-1 loses what an earlier version kept in clear', async () => {
    const directory = join(folder, 'clear')
    await mkdir(directory)
    for (const [name, start] of [
      ['a.compiled', 'ASKEECM1'],
      ['b.compiled', 'ASKEECM2'],
      ['c.compiled', ''],
    ] as const)
      await writeFile(join(directory, name), start)
    await new CompiledCache(components.clock, { directory, key: KEY }).open()
    expect(await readdir(directory)).toEqual(['b.compiled'])
  })

  it('SBX-5 loses the draft of a warden that was killed when it is opened, and keeps what a living one writes', async () => {
    const directory = join(folder, 'drafts')
    await mkdir(directory)
    const dead = spawnSync(process.execPath, ['--version']).pid
    const [left, written] = [`a.${dead}.draft`, `b.${process.pid}.draft`]
    for (const name of [left, written, 'unknown']) await writeFile(join(directory, name), new Uint8Array(1))
    await new CompiledCache(components.clock, { directory, key: KEY }).open()
    expect((await readdir(directory)).sort()).toEqual([written, 'unknown'])
  })
})
