import { describe, expect, it } from 'vitest'
import { reasonLines } from '../src/commands/results.ts'
import { missingVolunteers } from '../src/commands/waiting.ts'
import { count } from '../src/terminal/count.ts'

const NOBODY = { ready: 0, engines: {}, gone: 0, accused: 0, ending: 0, cramped: 0, disreputable: 0 }
const any = { f: 1, engines: 'any', purpose: 'folding' } as const
const diverse = { ...any, engines: 'diverse' } as const

describe('what somebody who waits for a campaign is told', () => {
  it('CLI-1 says nothing is missing exactly when a full vote is there, with two engines where that is asked for', () => {
    expect(missingVolunteers(any, { ...NOBODY, ready: 3, engines: { v8: 3 } })).toBeNull()
    expect(missingVolunteers({ ...any, f: 0 }, { ...NOBODY, ready: 1, engines: { v8: 1 } })).toBeNull()
    expect(missingVolunteers(diverse, { ...NOBODY, ready: 3, engines: { v8: 2, wasmtime: 1 } })).toBeNull()
  })

  it.each([
    [
      any,
      NOBODY,
      /^0 volunteers so far; needed are 3 \(f = 1: 2 equal results decide\)\. .*literally: "folding"\. One that does so may still be too small .*storage or network\./,
    ],
    [
      any,
      { ...NOBODY, ready: 1, engines: { v8: 1 }, gone: 2 },
      /^1 volunteer so far \(v8 1\), 2 gone; needed are 3 /,
    ],
    [{ ...diverse, f: 0 }, NOBODY, /^0 volunteers so far; needed are 2 with two different engines\. /],
    [
      { ...diverse, f: 0 },
      { ...NOBODY, ready: 1, engines: { wasmtime: 1 } },
      /^1 volunteer so far \(wasmtime 1\); needed are 2, one of them with an engine other than wasmtime\. /,
    ],
    [
      diverse,
      { ...NOBODY, ready: 5, engines: { v8: 5 } },
      /^5 volunteers so far \(v8 5\); needed are 6 \(f = 1: 2 equal results decide\), one of them with an engine other than v8\. /,
    ],
    [any, { ...NOBODY, cramped: 2 }, /^0 volunteers so far, 2 whose consent allows too little disk for it; /],
    [any, { ...NOBODY, ending: 1 }, /1 whose consent ends before --wall-seconds could pass/],
  ])('CLI-1 names what is missing and what is there (%#)', (campaign, volunteers, text) => {
    expect(missingVolunteers(campaign, volunteers)).toMatch(text)
  })

  it('CLI-1 gives each reason once, with the tasks that it stopped', () => {
    const because = (reason: string | null) => (index: number) => ({ index, reason })
    const tasks = [
      ...Array.from({ length: 10 }, (_, i) => because('nobody agreed')(i)),
      because('late')(10),
      because(null)(11),
    ]
    expect(reasonLines(tasks)).toEqual([
      '\n10 tasks undecided (0, 1, 2, 3, 4, 5, 6, 7 …): nobody agreed',
      '\n1 task undecided (10): late',
    ])
  })

  it('CLI-1 counts in the right form', () => {
    expect([0, 1, 2].map((n) => count(n, 'node'))).toEqual(['0 nodes', '1 node', '2 nodes'])
    expect(count(2, 'reply', 'replies')).toBe('2 replies')
  })
})
