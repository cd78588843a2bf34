import type { CampaignSpec } from '../../src/api.ts'
import { campaignOf } from './cluster.ts'

/** More than travels inside a reveal. */
export const MAX_OUTPUT_BYTES_OF_TESTS = 70_000

/** Tasks whose outputs must be fetched, each another one. */
export function largeTasks(count: number): CampaignSpec {
  return campaignOf(0, {
    inputs: Array.from({ length: count }, (_, i) => new Uint8Array(MAX_OUTPUT_BYTES_OF_TESTS).fill(i)),
    resources: {
      fuel: 1_000_000n as never,
      memoryBytes: 65_536,
      outputBytes: MAX_OUTPUT_BYTES_OF_TESTS,
      wallTime: 5000,
    },
  })
}
