import type { CampaignId, TaskId } from '@askee/core'

/** The id of the task at `index` of a campaign. */
export function taskIdOf(campaign: CampaignId, index: number): TaskId {
  return `${campaign}/${index}` as TaskId
}
