import { errorCode } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { executorOfNode, FAULT_KINDS, faultsByNode, simulationOptions } from '../src/simulate/options.ts'

const known = ['primes', 'n-queens']
const given = { nodes: 7, faulty: 0, seed: 1 }

function codeOf(body: () => unknown): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

describe('options of the simulation', () => {
  it('SIM-1 tolerates as many wrong answers as there are faulty nodes, at least one', () => {
    expect(simulationOptions(given, known).f).toBe(1)
    expect(simulationOptions({ ...given, faulty: 3 }, known).f).toBe(3)
    expect(simulationOptions({ ...given, faulty: 3, f: 1 }, known).f).toBe(1)
    expect(simulationOptions(given, known).workloads).toEqual(known)
  })

  it('SIM-1 gives nodes engines in turn where they must differ', () => {
    const of = (engines: 'any' | 'diverse'): string[] => {
      const options = simulationOptions({ ...given, engines }, known)
      return [0, 1, 2, 3].map((node) => executorOfNode(options, node))
    }
    expect(of('any')).toEqual(['best', 'best', 'best', 'best'])
    expect(of('diverse')).toEqual(['native', 'v8', 'native', 'v8'])
  })

  it('SIM-1 refuses what contradicts itself', () => {
    const contradictions: Parameters<typeof simulationOptions>[0][] = [
      { ...given, faulty: 8 },
      { ...given, nodes: 2, f: 2 },
      { ...given, module: ['a.wasm'], workload: ['primes'] },
      { ...given, input: ['a'] },
      { ...given, engines: 'diverse', executor: 'portable' },
      { ...given, engines: 'diverse', nodes: 1, f: 0 },
      { ...given, workload: ['nonsense'] },
    ]
    for (const options of contradictions)
      expect(codeOf(() => simulationOptions(options, known))).toBe('cli/usage')
  })

  it('SIM-1 gives every fault asked for to some node', () => {
    for (const faulty of [1, 2, 3, 6, 9]) {
      const nodes = faultsByNode({ faulty, faults: FAULT_KINDS })
      expect(nodes).toHaveLength(faulty)
      expect(new Set(nodes.flat())).toEqual(new Set(FAULT_KINDS))
      expect(nodes.every((kinds) => kinds.length > 0)).toBe(true)
    }
    expect(faultsByNode({ faulty: 2, faults: ['liar'] })).toEqual([['liar'], ['liar']])
    expect(faultsByNode({ faulty: 0, faults: FAULT_KINDS })).toEqual([])
  })
})
