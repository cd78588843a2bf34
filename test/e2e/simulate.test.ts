import { locateNative } from '@askee/sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { compileModules, type Modules } from './modules.ts'

/** What the tests read of the report; the whole shape is checked in the first of them. */
interface Report {
  nodes: number
  faulty: number
  f: number
  executor: string
  engines: string
  workloads: {
    name: string
    tasks: number
    accepted: number
    wrongAccepted: number
    undecided: number
    expected: string | null
    actual: string | null
    fuel: string
    engines: { wasmtime: number; v8: number }
    singleEngine: number
    results?: ({ output: string; trap: string | null; fuel: string } | null)[]
  }[]
  replicasPerTask: number
  accused: string[]
  honestAccused: number
  tasksPerSecond: number
  wallSeconds: number
}

async function simulate(...args: string[]): Promise<{ code: number | null; report: Report; stderr: string }> {
  const { code, stdout, stderr } = await askee(['simulate', '--json', ...args])
  expect(stdout.trim().split('\n'), stderr).toHaveLength(1)
  return { code, report: JSON.parse(stdout), stderr }
}

const FEW = ['--workload', 'primes', '--workload', 'word-histogram']

function expectSound(report: Report): void {
  for (const w of report.workloads) {
    expect(w).toMatchObject({ accepted: w.tasks, wrongAccepted: 0, undecided: 0, actual: w.expected })
    expect(w.tasks).toBeGreaterThan(0)
  }
  expect(report.honestAccused).toBe(0)
}

describe('askee simulate', () => {
  it('SIM-1 computes every workload on real agents and reaches the known answers', async () => {
    const { code, report } = await simulate('--nodes', '4')
    expectSound(report)
    expect(code).toBe(0)
    expect(report.workloads.length).toBeGreaterThanOrEqual(8)
    expect(report).toMatchObject({ nodes: 4, faulty: 0, f: 1, accused: [] })
    expect(report.replicasPerTask).toBeGreaterThanOrEqual(3)
    expect(report.tasksPerSecond).toBeGreaterThan(0)
    expect(BigInt(report.workloads[0]?.fuel ?? 0)).toBeGreaterThan(0n)
  }, 180_000)

  it.each(['liar', 'colluder', 'copier'])(
    'CMP-3 accepts nothing wrong from two nodes of seven that cheat as %s, and accuses them alone',
    async (fault) => {
      const { code, report } = await simulate('--nodes', '7', '--faulty', '2', '--faults', fault, ...FEW)
      expectSound(report)
      expect(code).toBe(0)
      expect(report.f).toBe(2)
      expect(report.accused).toHaveLength(2)
    },
    120_000,
  )

  it.each(['crasher', 'silent', 'slow'])(
    'CMP-4 finishes although two nodes of seven fail as %s, and accuses nobody',
    async (fault) => {
      const { code, report } = await simulate('--nodes', '7', '--faulty', '2', '--faults', fault, ...FEW)
      expectSound(report)
      expect(code).toBe(0)
      expect(report.accused).toEqual([])
    },
    120_000,
  )

  it('CMP-3 stands all faults together', async () => {
    const { code, report } = await simulate('--nodes', '7', '--faulty', '2', ...FEW)
    expectSound(report)
    expect(code).toBe(0)
  }, 120_000)

  it('CMP-3 can fail: beyond the fault bound wrong results pass or nothing is decided', async () => {
    const { code, report } = await simulate(
      '--nodes',
      '7',
      '--faulty',
      '5',
      '--f',
      '1',
      '--faults',
      'colluder',
      '--workload',
      'primes',
    )
    const harm = report.workloads.reduce((sum, w) => sum + w.wrongAccepted + w.undecided, 0)
    expect(harm).toBeGreaterThan(0)
    expect(code).toBe(1)
  }, 120_000)
})

describe('askee simulate with a module of one’s own', () => {
  let modules: Modules
  beforeAll(async () => {
    modules = await compileModules(['traps', 'endless', 'flood', 'hungry', 'greedy', 'echo'])
  })
  afterAll(() => modules.remove())

  const resultsOf = async (names: string[], inputs: string[] = []) => {
    const args = [
      ...names.flatMap((name) => ['--module', modules.path(name)]),
      ...inputs.flatMap((input) => ['--input', input]),
    ]
    const { code, report } = await simulate('--nodes', '3', ...args)
    expect(code).toBe(0)
    expect(report.workloads.map(({ name }) => name)).toEqual(names.map(modules.path))
    return report.workloads.map((workload) => {
      expect(workload).toMatchObject({ expected: null, actual: null, undecided: 0, wrongAccepted: 0 })
      return workload.results ?? []
    })
  }

  it('WSM-1 decides traps, endless loops, floods and hunger for memory equally on all replicas', async () => {
    const [traps, endless, flood, hungry] = await resultsOf(['traps', 'endless', 'flood', 'hungry'])
    expect(traps).toMatchObject([{ output: '41', trap: 'divide-by-zero' }])
    expect(endless).toEqual([{ output: '', trap: 'out-of-fuel', fuel: '1000000000' }])
    expect(flood).toMatchObject([{ trap: 'output-too-large' }])
    expect(flood?.[0]?.output.length).toBe(2 * 1_048_576)
    // 256 MiB are allowed: 1 page and then 64 at a time, as long as they fit into 4096 pages.
    expect(hungry).toMatchObject([{ output: 'c10f0000', trap: null }])
  }, 180_000)

  it('SIM-1 gives one result an input, in order', async () => {
    const inputs = ['one', 'two', 'three'].map((text) => modules.file(text, new TextEncoder().encode(text)))
    const [results] = await resultsOf(['echo'], inputs)
    const outputs = results?.map((result) => Buffer.from(result?.output ?? '', 'hex').toString())
    expect(outputs).toEqual(['one', 'two', 'three'])
  }, 120_000)

  it.skipIf('missing' in locateNative())(
    'CMP-3 has both engines agree on every task of a diverse simulation',
    async () => {
      const inputs = ['one', 'two', 'three', 'four'].map((text) =>
        modules.file(text, new TextEncoder().encode(text)),
      )
      const args = ['--module', modules.path('echo'), ...inputs.flatMap((input) => ['--input', input])]
      const { code, report } = await simulate('--nodes', '4', '--engines', 'diverse', ...args)
      const [workload] = report.workloads
      expect(workload).toMatchObject({ accepted: 4, undecided: 0, wrongAccepted: 0, singleEngine: 0 })
      expect(workload?.engines.wasmtime).toBeGreaterThanOrEqual(4)
      expect(workload?.engines.v8).toBeGreaterThanOrEqual(4)
      expect(report).toMatchObject({ engines: 'diverse', executor: 'mixed', honestAccused: 0 })
      expect(code).toBe(0)
    },
    300_000,
  )

  it('CMP-3 starts no diverse simulation where there is one engine alone, and says which is missing', async () => {
    const nowhere = { ASKEE_NATIVE_DIR: modules.path('echo') }
    const { code, stdout, stderr } = await askee(['simulate', '--json', '--engines', 'diverse'], nowhere)
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'simulate/engines',
      message: expect.stringContaining('v8 alone'),
    })
    expect(stderr).not.toContain('starting')
  }, 60_000)

  it('WSM-2 ends with the code of the refusal before anything is started', async () => {
    for (const [file, code] of [
      [modules.path('greedy'), 'wasm/memory-limit'],
      [modules.file('garbage.wasm', new Uint8Array([1, 2, 3])), 'wasm/malformed'],
    ] as const) {
      const { code: exit, stdout, stderr } = await askee(['simulate', '--json', '--module', file])
      expect(exit).toBe(1)
      expect(JSON.parse(stdout)).toMatchObject({ error: { code } })
      expect(stderr).not.toContain('starting')
    }
  }, 60_000)
})
