import type { AuditVerificationView } from '@askee/client'
import { describe, expect, it } from 'vitest'
import { verificationText } from '../src/commands/audit/verify.ts'

const AT = Date.UTC(2026, 10, 20)

function verified(change: Partial<AuditVerificationView>): string {
  return verificationText({
    verdict: 'unwitnessed',
    entries: 12,
    checkpoints: 3,
    contents: { readable: 12, erased: 0, purged: 0, lost: 0 },
    findings: [],
    found: 0,
    latest: null,
    asked: 0,
    answered: 0,
    witnesses: [],
    cosigned: null,
    alarms: [],
    contradicted: [],
    ...change,
  })
}

describe('what askee audit verify says', () => {
  it('AUD-1 without any other node: what was verified here, what was not, and what to do', () => {
    const text = verified({})
    expect(text).toContain('NONE REACHED: this node is connected to no other')
    expect(text).toContain('Verified on this machine alone: every entry, hash, checkpoint and content')
    expect(text).toMatch(/NOT CONFIRMED: no witness could be reached/)
    expect(text).toContain('Connect to other nodes')
    expect(text).not.toContain('nothing was changed')
  })

  it('AUD-1 of a log that was cosigned before, when nobody can be asked now, does not say that all is well', () => {
    const cosigned = { size: 10, at: AT, by: ['a', 'b'] }
    const text = verified({ verdict: 'whole', cosigned })
    expect(text).toContain('the first 10 entries cosigned by 2, last on 2026-11-20')
    expect(text).toMatch(/NOT VERIFIED NOW: whether others know a newer state .* no witness could be reached/)
    expect(text).toContain('The last 2 entries have been seen by nobody else yet.')
    expect(text).toContain('verify again')
    expect(text).not.toContain('nothing was changed')
  })

  it.each([
    [{ asked: 2 }, 'NONE REACHED: 2 nodes connected, none answered'],
    [{ asked: 2, answered: 1 }, '1 node answered, none had kept a checkpoint'],
    [{ asked: 3, answered: 3, witnesses: ['a'] }, 'compared with what 1 node of 3 that answered had kept'],
  ])('AUD-1 tells silence from having nothing: %j', (change, line) => {
    expect(verified(change)).toContain(line)
  })

  it('AUD-1 of a log that was compared with what witnesses keep says so, and no more', () => {
    const cosigned = { size: 12, at: AT, by: ['a'] }
    const text = verified({ verdict: 'whole', cosigned, asked: 1, answered: 1, witnesses: ['a'] })
    expect(text.split('\n').at(-1)).toBe('nothing was changed')
    expect(text).not.toContain('NOT')
  })
})
