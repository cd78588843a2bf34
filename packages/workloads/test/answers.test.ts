import { describe, expect, it } from 'vitest'
import { carryOut, WORKLOADS, type WorkloadSize } from '../src/index.ts'
import { runModule } from './host.ts'

describe.each([...WORKLOADS.values()])('$name', (workload) => {
  it.each(['small', 'default'] as const)('SIM-1 gives its known answer at size %s', async (size) => {
    const campaign = await run(size)
    expect(campaign.answer).toBe(workload.expected(size))
    expect(campaign.largestRound).toBeLessThanOrEqual(size === 'small' ? 4 : 16)
    expect(campaign.largestOutput).toBeLessThanOrEqual(workload.resources.outputBytes)
  })

  it('CMP-1 makes the same inputs every time', async () => {
    const [one, other] = [workload.plan('small').next(), workload.plan('small').next()]
    expect(one).toEqual(other)
  })

  it('CMP-1 refuses outputs that no correct task gives', () => {
    const plan = workload.plan('small')
    const inputs = plan.next().value as readonly Uint8Array[]
    const garbage = inputs.map(() => Uint8Array.of(0xff, 0, 1))
    expect(() => plan.next(garbage)).toThrow(expect.objectContaining({ code: 'workloads/bad-output' }))
  })

  async function run(size: WorkloadSize) {
    let largestRound = 0
    let largestOutput = 0
    const answer = await carryOut(workload.plan(size), async (inputs) => {
      largestRound = Math.max(largestRound, inputs.length)
      const outputs = []
      for (const input of inputs) outputs.push((await runModule(workload.moduleName, input)).output)
      largestOutput = Math.max(largestOutput, ...outputs.map((output) => output.byteLength))
      return outputs
    })
    return { answer, largestRound, largestOutput }
  }
})
