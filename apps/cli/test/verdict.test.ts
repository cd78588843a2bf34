import type { CampaignView } from '@askee/client'
import type { EnginePolicy } from '@askee/compute'
import type { Fuel } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { formatReport } from '../src/simulate/report.ts'
import { isSound, type JudgedTask, judge, type WorkloadRun } from '../src/simulate/verdict.ts'

const right = { output: new Uint8Array([1]), trap: null, fuel: 5n as Fuel }
const wrong = { ...right, output: new Uint8Array([2]) }

const task = (result: JudgedTask['result'], accepted = true): JudgedTask => ({
  accepted,
  result,
  reference: right,
  replicas: 3,
  engines: { wasmtime: 2, v8: 1 },
})

const campaign = (accused: string[], credit: Record<string, string> = {}): CampaignView => ({
  id: 'c',
  purpose: 'p',
  kind: 'scientific-compute',
  state: 'finished',
  cancelled: null,
  volunteers: { ready: 0, engines: {}, gone: 0, accused: 0, ending: 0, cramped: 0, disreputable: 0 },
  f: 1,
  engines: 'any',
  submitted: 0,
  tasks: [],
  accused: accused.map((node) => ({ node, task: 't', lease: 'l', offence: 'wrong-result' })),
  credit,
})

function report(run: Partial<WorkloadRun>, faulty: string[] = [], engines: EnginePolicy = 'any') {
  const whole: WorkloadRun = {
    name: 'primes',
    tasks: [task(right)],
    expected: '4',
    actual: '4',
    campaigns: [],
    seconds: 1,
    ...run,
  }
  const setting = { nodes: 4, faulty: 1, f: 1, seed: 1, executor: 'portable', engines } as const
  return judge(setting, [whole], new Set(faulty), 2)
}

describe('verdict of the simulation', () => {
  it('SIM-1 is sound when everything was decided, and rightly', () => {
    expect(isSound(report({}))).toBe(true)
    expect(report({}).workloads[0]).toMatchObject({ fuel: '5', accepted: 1, wrongAccepted: 0, undecided: 0 })
    expect(report({}).tasksPerSecond).toBe(0.5)
  })

  it('SIM-1 counts votes by engine, and is unsound when one engine alone stands for a result of a diverse run', () => {
    const alone = { ...task(right), engines: { v8: 3 } }
    const run = { tasks: [task(right), alone, { ...alone, accepted: false }] }
    expect(report(run).workloads[0]).toMatchObject({ engines: { wasmtime: 2, v8: 4 }, singleEngine: 1 })
    expect(formatReport(report(run))).toContain('wasmtime 2, v8 4')
    for (const [engines, tasks, sound] of [
      ['any', [alone], true],
      ['diverse', [alone], false],
      ['diverse', [task(right)], true],
    ] as const) {
      expect(isSound(report({ tasks }, [], engines))).toBe(sound)
    }
  })

  it('SIM-1 is unsound for a wrong output, trap or fuel, an undecided task and a wrong answer', () => {
    const unsound = [
      report({ tasks: [task(wrong)] }),
      report({ tasks: [task({ ...right, trap: 'unreachable' })] }),
      report({ tasks: [task({ ...right, fuel: 6n as Fuel })] }),
      report({ tasks: [task(right), task(null, false)] }),
      report({ actual: '5' }),
      report({ actual: null }),
    ]
    for (const one of unsound) expect(isSound(one)).toBe(false)
    expect(unsound.slice(0, 4).map((r) => r.workloads[0]?.wrongAccepted)).toEqual([1, 1, 1, 0])
    expect(formatReport(unsound[0]!)).toContain('NOT sound')
  })

  it('SIM-1 counts accusations of honest nodes, once a node, and adds up credit', () => {
    const two = [campaign(['liar', 'honest'], { honest: '5' }), campaign(['liar'], { honest: '7' })]
    const judged = report({ campaigns: two }, ['liar'])
    expect(judged).toMatchObject({ accused: ['honest', 'liar'], honestAccused: 1, credit: { honest: '12' } })
    expect(isSound(judged)).toBe(false)
  })

  it('SIM-1 lists the results of a module of one’s own in order', () => {
    const { workloads } = report({ expected: null, actual: null, tasks: [task(right), task(wrong)] })
    expect(workloads[0]?.results).toEqual([
      { output: '01', trap: null, fuel: '5' },
      { output: '02', trap: null, fuel: '5' },
    ])
  })
})
