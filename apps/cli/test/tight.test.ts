import { describe, expect, it } from 'vitest'
import { tightLimits } from '../src/commands/consent/tight.ts'

describe('what a grant says of limits that let nothing through', () => {
  it('CLI-1 CON-3 warns of storage or network that no task could do with, and of nothing else', () => {
    expect(tightLimits({ storageGbMax: 1, bandwidthMbpsMax: 10 })).toEqual([])
    expect(tightLimits({ storageGbMax: 0.001, bandwidthMbpsMax: 0.1 })).toEqual([])
    expect(tightLimits({ storageGbMax: 0, bandwidthMbpsMax: 1 })).toEqual([
      expect.stringMatching(/^No storage is allowed: nothing can run .*--storage-gb/),
    ])
    expect(tightLimits({ storageGbMax: 0.000_01, bandwidthMbpsMax: 0 })).toEqual([
      expect.stringMatching(/^0\.00001 GB of storage is less than most programs/),
      expect.stringMatching(/^No network traffic is allowed.*--bandwidth-mbps/),
    ])
  })
})
