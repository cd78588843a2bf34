import { AskeeError, type CampaignId } from '@askee/core'
import type { Campaign } from './campaign.ts'

/** Fewer characters of an id are more likely a slip than a choice. */
const LEAST_PREFIX = 4
/** Named in an error, at most. */
const NAMED = 5
const NAMED_CHARACTERS = 12

/**
 * The campaign of this id, or the only one whose id begins so.
 * @throws AskeeError `compute/unknown-campaign`, `compute/ambiguous-campaign`
 */
export function findCampaign(campaigns: ReadonlyMap<CampaignId, Campaign>, id: string): Campaign {
  const exact = campaigns.get(id as CampaignId)
  if (exact !== undefined) return exact
  const all = [...campaigns.values()]
  const matches = id.length < LEAST_PREFIX ? [] : all.filter(({ signed }) => signed.id.startsWith(id))
  const [only, ...others] = matches
  if (only === undefined) {
    const hint =
      id.length < LEAST_PREFIX ? `; give its id, or at least the first ${LEAST_PREFIX} characters of it` : ''
    throw new AskeeError(
      'compute/unknown-campaign',
      `no campaign ${id} is known here${hint} (they are listed by: askee campaigns)`,
    )
  }
  if (others.length === 0) return only
  const named = matches
    .slice(0, NAMED)
    .map(
      ({ signed }) =>
        `${signed.id.slice(0, Math.max(NAMED_CHARACTERS, id.length + 4))} (${signed.manifest.purpose})`,
    )
  const rest = matches.length > NAMED ? ` and ${matches.length - NAMED} more` : ''
  throw new AskeeError(
    'compute/ambiguous-campaign',
    `${matches.length} campaigns begin with ${id}, give more of it: ${named.join(', ')}${rest}`,
  )
}
