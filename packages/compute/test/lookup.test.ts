import type { CampaignId } from '@askee/core'
import { describe, expect, it } from 'vitest'
import type { Campaign } from '../src/requester/campaign.ts'
import { findCampaign } from '../src/requester/lookup.ts'

const IDS = ['abcd1111', 'abcd2222', 'abce3333'].map((start) => start.padEnd(64, '0') as CampaignId)
const CAMPAIGNS = new Map(
  IDS.map((id, i) => [id, { signed: { id, manifest: { purpose: `purpose ${i}` } } } as unknown as Campaign]),
)

describe('a campaign named by the beginning of its id', () => {
  it('CLI-1 is found by its id, and by as many characters as name it alone', () => {
    for (const id of IDS) expect(findCampaign(CAMPAIGNS, id).signed.id).toBe(id)
    expect(findCampaign(CAMPAIGNS, 'abce').signed.id).toBe(IDS[2])
    expect(findCampaign(CAMPAIGNS, 'abcd2').signed.id).toBe(IDS[1])
  })

  it('CLI-1 is asked for more when it could be several, which are named', () => {
    expect(() => findCampaign(CAMPAIGNS, 'abcd')).toThrow(
      expect.objectContaining({
        code: 'compute/ambiguous-campaign',
        message: expect.stringMatching(
          /2 campaigns .*abcd11110000 \(purpose 0\), abcd22220000 \(purpose 1\)$/,
        ),
      }),
    )
  })

  it('CLI-1 is not guessed from fewer than four characters, nor from others', () => {
    for (const [id, text] of [
      ['abc', /at least the first 4/],
      ['', /at least the first 4/],
      ['ffff', /no campaign ffff/],
    ] as const) {
      const unknown = { code: 'compute/unknown-campaign', message: expect.stringMatching(text) }
      expect(() => findCampaign(CAMPAIGNS, id)).toThrow(expect.objectContaining(unknown))
    }
  })
})
