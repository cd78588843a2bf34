import { expect, it } from 'vitest'
import { carryOut, WORKLOADS } from '../src/index.ts'
import { runModule } from './host.ts'

it.each([...WORKLOADS.values()])('SIM-1 $name gives its known answer at full size', async (workload) => {
  const answer = await carryOut(workload.plan('full'), async (inputs) => {
    const outputs = []
    for (const input of inputs) outputs.push((await runModule(workload.moduleName, input)).output)
    return outputs
  })
  expect(answer).toBe(workload.expected('full'))
})
