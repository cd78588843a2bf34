import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ConsentTerms, differences } from '../src/index.ts'
import { consentText } from '../src/life/text.ts'
import { anyTerms, requester, TERMS } from './support.ts'

const manifest = { requester: requester.id, author: requester.id, name: 'Lab', domain: 'lab.example' }
const textOf = (terms: ConsentTerms): string => consentText(manifest, terms, 'contained', 'held')

/** One term changed, so that a text that leaves it out is caught. */
const anyChange = fc.tuple(anyTerms, fc.nat(13)).map(([other, which]) => {
  const { permissions: own } = TERMS
  const { permissions: theirs } = other
  const changes: Partial<ConsentTerms>[] = [
    ...(['cpuPercentMax', 'ramMbMax', 'storageGbMax', 'bandwidthMbpsMax'] as const).map((name) => ({
      permissions: { ...own, resources: { ...own.resources, [name]: theirs.resources[name] } },
    })),
    ...(['kinds', 'minReputation', 'maxDurationHours'] as const).map((name) => ({
      permissions: { ...own, tasks: { ...own.tasks, [name]: theirs.tasks[name] } },
    })),
    ...(['userActivityYield', 'resourceMonitoring', 'auditLogging'] as const).map((name) => ({
      permissions: { ...own, monitoring: { ...own.monitoring, [name]: theirs.monitoring[name] } },
    })),
    { purposes: other.purposes },
    { data: other.data },
    { lifetime: other.lifetime },
    { maxRenewals: other.maxRenewals },
  ]
  return { ...TERMS, ...changes[which] }
})

describe('the text that a person reads', () => {
  it('CON-3 says every limit: two sets of terms that differ in anything never read the same', () => {
    fc.assert(
      fc.property(anyChange, (terms) => {
        const changed = differences(TERMS, terms)
        if (changed.length > 0) {
          expect([changed.map(({ field }) => field), textOf(terms) === textOf(TERMS)]).toEqual([
            expect.anything(),
            false,
          ])
        }
      }),
      { numRuns: 400 },
    )
  })

  it('CON-3 says who asks, what for, what leaves the machine, what peers learn, and until when', () => {
    const text = textOf({ ...TERMS, lifetime: 90 * 60_000 + 5000, maxRenewals: 1 })
    for (const line of [
      /^Who asks: +node 12D3\w+$/m,
      /signed these terms with that key; calls itself "Lab" and says that lab\.example is its own/,
      /^What for: +counting primes; counting them again$/m,
      /^ +\(the requester's word; not checked\. Work that names another purpose is refused\)$/m,
      /^Kinds of work: +scientific computation; processing of data sets$/m,
      /^About what: +programs, inputs and results about nobody; what this node says of itself/m,
      /^Until when: +1 h 30 min 5 s from the grant; you can renew it once, for 1 h 30 min 5 s at most$/m,
      /^Work from: +anybody whom this consent names, known here or not$/m,
      /^Each task: +at most 1 h and 64 MiB of memory$/m,
      /^Processor: +up to 50 %/m,
      /^Storage: +up to 1 GB on disk .*more is refused$/m,
      /^ +\(records of what was done, and the agent's own limit for all consents together, come beside it\)$/m,
      /^Network: +up to 10 Mbit\/s to and from that node together, .*more waits$/m,
      /^ +\(what keeps the mesh together, connections, keys, news and records of others, comes beside it\)$/m,
      /^What leaves: +results of the tasks/m,
      /^Others learn: +the IP address of this machine/m,
      /^Ending it: +at any time/m,
    ]) {
      expect(text).toMatch(line)
    }
  })
})
