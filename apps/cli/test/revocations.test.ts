import { describe, expect, it } from 'vitest'
import {
  formatRevocations,
  judgeRevocations,
  quantiles,
  type RevocationRound,
} from '../src/simulate/revoke/report.ts'

const ROUND: RevocationRound = {
  worker: 'w',
  killMs: 20,
  meshMs: 300,
  eraseMs: 40,
  filesBefore: 3,
  filesAfter: 0,
  traces: 0,
  processesBefore: 1,
  processesAfter: 0,
  acceptedBefore: 4,
  isRecorded: true,
}

function verdict(change: Partial<RevocationRound>, accused = 0): boolean {
  const rounds = [ROUND, { ...ROUND, ...change }]
  const setting = { nodes: 3, executor: 'native', load: 1, wallSeconds: 1 }
  return judgeRevocations(setting, rounds, { lostLeases: {}, accused }).passed
}

describe('the verdict over revocations', () => {
  it('CON-5 passes only what is within its limits, leaves nothing and blames nobody', () => {
    expect(verdict({})).toBe(true)
    for (const change of [
      { killMs: 100 },
      { meshMs: 30_000 },
      { filesAfter: 1 },
      { traces: 1 },
      { processesAfter: 1 },
      { isRecorded: false },
    ]) {
      expect([change, verdict(change)]).toEqual([change, false])
    }
    expect(verdict({}, 1)).toBe(false)
  })

  it('CON-5 is no pass when a look saw nothing before, for then it proves nothing', () => {
    expect(verdict({ filesBefore: 0 })).toBe(false)
    expect(verdict({ processesBefore: 0 })).toBe(false)
    expect(verdict({ acceptedBefore: 3 })).toBe(false)
    // Where the operating system has no list of processes the others remain.
    expect(verdict({ processesBefore: null, processesAfter: null })).toBe(true)
  })

  it('CON-5 counts the nearest rank: of fifty the 99th percentile is the largest', () => {
    const fifty = Array.from({ length: 50 }, (_, i) => i + 1)
    expect(quantiles(fifty)).toEqual({ p50: 25, p99: 50, max: 50 })
    const report = judgeRevocations({ nodes: 3, executor: 'native', load: 1, wallSeconds: 1 }, [ROUND], {
      lostLeases: { 'consent/revoked': 2 },
      accused: 0,
    })
    expect(formatRevocations(report)).toContain('2 consent/revoked')
  })
})
