import { describe, expect, it } from 'vitest'
import { loadModule, WORKLOADS } from '../src/index.ts'
import { compile, runBytes } from './host.ts'
import { memoryLimits } from './memory-limits.ts'
import { WebAssembly } from './webassembly.ts'

const ABI = ['input_read', 'input_size', 'log', 'output_write']

describe.each([...WORKLOADS.values()])('$name', ({ moduleName, resources, plan }) => {
  it('WSM-1 imports nothing but the four functions of the task interface', async () => {
    const module = compile(await loadModule(moduleName))
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      expect([from, kind]).toEqual(['askee', 'function'])
      expect(ABI).toContain(name)
    }
  })

  it('WSM-2 exports a memory that is bounded by what the workload states', async () => {
    const bytes = await loadModule(moduleName)
    const exported = WebAssembly.Module.exports(compile(bytes))
    expect(exported).toContainEqual({ name: 'memory', kind: 'memory' })
    expect(memoryLimits(bytes).maximum! * 65_536).toBe(resources.memoryBytes)
  })

  it('WSM-5 is stepwise', async () => {
    const exported = WebAssembly.Module.exports(compile(await loadModule(moduleName)))
    expect(exported).toContainEqual({ name: 'step', kind: 'function' })
    expect(exported.map((entry) => entry.name)).not.toContain('run')
  })

  it('WSM-1 traps on an input that is cut short or empty, without output', async () => {
    const bytes = await loadModule(moduleName)
    const input = (plan('small').next().value as readonly Uint8Array[])[0]!
    if (moduleName === 'word-histogram')
      return expect(runBytes(bytes, new Uint8Array()).output).toHaveLength(0)
    for (const cut of [input.slice(0, -1), new Uint8Array()]) {
      expect(() => runBytes(bytes, cut)).toThrow(WebAssembly.RuntimeError)
    }
  })
})

it('CMP-9 names the remedy when a module was not built', async () => {
  await expect(loadModule('no-such-task')).rejects.toMatchObject({
    code: 'workloads/not-built',
    message: expect.stringContaining('npm run build'),
  })
})
