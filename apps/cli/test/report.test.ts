import { describe, expect, it } from 'vitest'
import { formatReport } from '../src/simulate/report.ts'
import type { SimulationReport } from '../src/simulate/verdict.ts'

const WIDTH = 100

function reportOf(change: Partial<SimulationReport['workloads'][number]> = {}): SimulationReport {
  const workload = {
    name: 'softmax-regression',
    tasks: 240,
    accepted: 240,
    wrongAccepted: 0,
    undecided: 0,
    expected: '118162 words in sixteen shards, 4242 of them different',
    actual: '118162 words in sixteen shards, 4242 of them different',
    fuel: '9',
    replicasPerTask: 3.1,
    engines: { wasmtime: 720, v8: 0 },
    singleEngine: 240,
    seconds: 123.4,
    ...change,
  }
  return {
    nodes: 7,
    faulty: 0,
    f: 1,
    seed: 1,
    executor: 'native',
    engines: 'any',
    workloads: [workload],
    replicasPerTask: 3.1,
    accused: [],
    honestAccused: 0,
    credit: { ['12D3KooW'.padEnd(52, 'x')]: '12345678901' },
    tasksPerSecond: 12.5,
    wallSeconds: 130,
  }
}

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length))

describe("the simulation's report", () => {
  it('CLI-1 fits a terminal of 100 columns, with two engines and the longest names', () => {
    const text = formatReport(reportOf({ engines: { wasmtime: 720, v8: 720 } }))
    expect(widest(text)).toBeLessThanOrEqual(WIDTH)
    expect(text).toContain('wasmtime 720, v8 720')
    const own = formatReport(
      reportOf({ name: `/home/somebody/${'long/'.repeat(20)}task.wasm`, expected: null, actual: null }),
    )
    expect(own.split('\n')[2]).toMatch(/^✓ {2}…\S+task\.wasm {2}/)
    expect(own.split('\n')[2]?.length).toBeLessThanOrEqual(WIDTH)
  })

  it('CLI-1 speaks of an engine only where it voted', () => {
    expect(formatReport(reportOf())).not.toContain('v8')
  })

  it('CLI-1 says under the table what is wrong, whole', () => {
    const text = formatReport(reportOf({ accepted: 236, undecided: 4, wrongAccepted: 1, actual: '7 words' }))
    expect(text).toMatch(/^✗ {2}softmax-regression +236\/240/m)
    expect(text).toContain('✗ softmax-regression: 4 tasks undecided')
    expect(text).toContain('✗ softmax-regression: 1 wrong result accepted')
    expect(text).toContain(
      'the answer is 7 words, expected was 118162 words in sixteen shards, 4242 of them different',
    )
    expect(text).toContain('NOT sound')
    const alone = { ...reportOf(), engines: 'diverse' as const }
    expect(formatReport(alone)).toContain('✗ softmax-regression: 240 accepted results from one engine alone')
  })
})
