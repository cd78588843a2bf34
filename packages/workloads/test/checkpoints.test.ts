import { utf8 } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { PROTEINS } from '../src/data/proteins.ts'
import { loadModule, WORKLOADS, type WorkloadSize } from '../src/index.ts'
import { InputWriter } from '../src/wire.ts'
import { exportGlobals } from './export-globals.ts'
import { runBytes } from './host.ts'

/** An input of several steps: of a task of the workload where those are large enough, else a larger one. */
const LARGER: Readonly<Record<string, Uint8Array>> = {
  'n-queens': new InputWriter().u32(14).u32(1).u32(1).u8(3).finish(),
  'smith-waterman': proteinPairs(60),
}
const SIZE: Readonly<Record<string, WorkloadSize>> = { 'lucas-lehmer': 'default', 'word-histogram': 'full' }

describe.each([...WORKLOADS.values()])('$name', ({ name, moduleName, plan }) => {
  it('WSM-5 stops after any step and goes on in another instance to the same output', async () => {
    const bytes = exportGlobals(await loadModule(moduleName))
    const first = plan(SIZE[name] ?? 'default').next().value as readonly Uint8Array[]
    const input = LARGER[name] ?? first.at(-1)!
    const whole = runBytes(bytes, input)
    expect(whole.steps).toBeGreaterThan(1)
    const moved = runBytes(bytes, input, { moveAfterEachStep: true })
    expect(moved.steps).toBe(whole.steps)
    expect(Buffer.from(moved.output)).toEqual(Buffer.from(whole.output))
  })
})

function proteinPairs(count: number): Uint8Array {
  const input = new InputWriter().u32(20).u32(1).u32(count)
  const [a, b] = [utf8(PROTEINS.HBA_HUMAN), utf8(PROTEINS.HBB_HUMAN)]
  for (let i = 0; i < count; i++) input.u32(a.length).bytes(a).u32(b.length).bytes(b)
  return input.finish()
}
