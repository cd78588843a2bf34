import type { Accusation, CampaignEvent } from '../api.ts'
import type { CoordinatorEffect } from '../coordinator/events.ts'
import type { AccusationRecord } from '../coordinator/state.ts'
import { taskIdOf } from '../protocol/task-id.ts'
import type { Campaign } from './campaign.ts'

/** An effect as people and programs follow it, or undefined when it is nobody else's business. */
export function narrate(
  { signed: { id: campaign } }: Campaign,
  effect: CoordinatorEffect,
  accusation: (record: AccusationRecord) => Accusation,
): CampaignEvent | undefined {
  switch (effect.type) {
    case 'registered':
      return { type: 'offer', campaign, node: effect.node }
    case 'assign':
      return { type: 'assigned', campaign, task: taskIdOf(campaign, effect.task), node: effect.node }
    case 'committed':
      return { type: 'committed', campaign, task: taskIdOf(campaign, effect.task), node: effect.node }
    case 'accepted':
      return { type: 'accepted', campaign, task: taskIdOf(campaign, effect.task) }
    case 'undecidable':
      return { type: 'undecidable', campaign, task: taskIdOf(campaign, effect.task), reason: effect.reason }
    case 'accused':
      return { type: 'accused', campaign, accusation: accusation(effect.accusation) }
    case 'lease-lost': {
      const { node, reason } = effect
      return { type: 'lease-lost', campaign, task: taskIdOf(campaign, effect.task), node, reason }
    }
    case 'finished':
      return { type: 'finished', campaign }
    default:
      return undefined
  }
}
