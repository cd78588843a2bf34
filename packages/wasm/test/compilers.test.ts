import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { STACK_BUDGET, V8_STACK_KB } from '../src/index.ts'

const run = promisify(execFile)
const script = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url))
const BASELINE = ['--liftoff-only']
const OPTIMIZING = ['--no-liftoff', '--no-wasm-tier-up']

async function lines(flags: readonly string[], name: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await run(process.execPath, [...flags, script(name), ...args], { maxBuffer: 1 << 26 })
  return stdout.trim().split('\n')
}

describe('two compilers', () => {
  it('WSM-1 baseline and optimizing V8 give the same output, trap, fuel, memory and globals', async () => {
    const [first, second] = await Promise.all([
      lines(BASELINE, 'run-batch.ts', '1000', '150'),
      lines(OPTIMIZING, 'run-batch.ts', '1000', '150'),
    ])
    expect(first).toHaveLength(150)
    expect(second).toEqual(first)
    const traps = new Set(first.map((line) => line.split(' ')[1]))
    expect(traps).toContain('null')
    expect(traps).toContain('out-of-fuel')
    expect(traps.size).toBeGreaterThan(4)
  }, 120_000)

  it('WSM-3 endless recursion ends at one depth in frames of every shape, long before the native stack', async () => {
    // Less than V8's default of 984 KiB, to show the margin.
    const small = '--stack-size=700'
    const [first, second] = await Promise.all([
      lines([small, ...BASELINE], 'frames.ts'),
      lines([small, ...OPTIMIZING], 'frames.ts'),
    ])
    expect(second).toEqual(first)
    expect(first.length).toBeGreaterThan(40)
    for (const line of first) {
      const [name, end, depth, stack] = line.split(';')
      expect(end, name).toBe('unreachable')
      expect(Number(depth), name).toBeGreaterThan(0)
      expect(Number(stack), name).toBeLessThan(0)
    }
    expect(V8_STACK_KB * 1024).toBeGreaterThan(3 * STACK_BUDGET)
  }, 120_000)

  it('WSM-3 the control: without the pass the compilers differ and the native stack ends', async () => {
    const [first, second] = await Promise.all([
      lines(BASELINE, 'frames.ts', '--raw'),
      lines(OPTIMIZING, 'frames.ts', '--raw'),
    ])
    expect(first.every((line) => line.includes(';native stack;'))).toBe(true)
    expect(second).not.toEqual(first)
  }, 120_000)
})
