import { AskeeError } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { campaignTable } from '../src/commands/campaigns.ts'
import { revokedText } from '../src/commands/consent/end.ts'
import { manifestError } from '../src/commands/consent/grant.ts'
import { beyondOffer } from '../src/commands/consent/limits.ts'
import { consentTable } from '../src/commands/consent/show.ts'

const LIMITS = {
  cpuPercentMax: 25,
  ramMbMax: 256,
  storageGbMax: 1,
  bandwidthMbpsMax: 10,
  maxDurationHours: 1,
  minReputation: 0,
}

describe('what the owner of a machine is told about consents', () => {
  it('CON-3 names each limit that lies above the manifest, and no other', () => {
    expect(beyondOffer({ ramMbMax: 4096, cpuPercentMax: 25 }, LIMITS)).toEqual([
      '--ram-mb 4096 is more than the manifest asks for; it stays at 256 MiB',
    ])
    expect(beyondOffer({ storageGbMax: 0.5 }, LIMITS)).toEqual([])
  })

  it('CLI-1 names the file of a manifest that is none, and what to do', () => {
    const told = manifestError('bad.jwt', new AskeeError('consent/signature', 'the signature is not theirs'))
    expect(told).toMatchObject({
      code: 'consent/signature',
      message: expect.stringMatching(/^bad\.jwt .*the signature is not theirs\. Ask them for it again/),
    })
    const other = new AskeeError('client/unreachable', 'no agent')
    expect(manifestError('bad.jwt', other)).toBe(other)
  })

  it('CLI-1 does not pass off the expiry of an offer as the end of a consent', () => {
    const one = { id: 'ab'.repeat(16), live: false, expires: 0, requester: 'node', purpose: 'folding' }
    const row = (phase: 'invited' | 'refused' | 'granted'): string =>
      consentTable([{ ...one, phase }])
        .split('\n')
        .at(-1) as string
    expect(row('invited')).toContain('1970-01-01T00:00:00.000Z (the offer)')
    expect(row('refused')).not.toContain('1970')
    expect(row('granted')).toMatch(/1970-01-01T00:00:00\.000Z +node/)
  })

  it('CON-5 says how long a revocation took, also where nothing ran', () => {
    const nothing = {
      consents: [],
      stoppedTasks: 0,
      killMs: null,
      eraseMs: 3.2,
      erasedBlocks: 0,
      sharedBlocks: 0,
    }
    expect(revokedText(nothing)).toMatch(/nothing was running.*\n.*after 3\.2 ms/)
  })

  it('CLI-1 calls a campaign without any result undecided, not finished', () => {
    const volunteers = { ready: 0, engines: {}, gone: 0, accused: 0, ending: 0, cramped: 0, disreputable: 0 }
    const campaign = {
      id: 'cd'.repeat(32),
      purpose: 'folding',
      state: 'finished' as const,
      cancelled: null,
      tasks: 1,
      undecided: 1,
      volunteers,
      created: 0,
      deadline: 0,
    } as unknown as Parameters<typeof campaignTable>[0][number]
    expect(campaignTable([{ ...campaign, accepted: 0 }])).not.toContain('finished')
    expect(campaignTable([{ ...campaign, tasks: 2, accepted: 1 }])).toContain('finished')
  })
})
