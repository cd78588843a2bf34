import { authorBucket, systemClock } from '@askee/core'
import { expect, it } from 'vitest'
import { CAMPAIGN_TOPIC, computeTopics } from '../src/protocol/topic.ts'

it('NET-3 NET-5 one requester may announce only so often, before anything is verified', () => {
  const rules = computeTopics(systemClock).get(CAMPAIGN_TOPIC)!
  expect(authorBucket(rules)).toEqual({ perSecond: 2, burst: 20 })
})
