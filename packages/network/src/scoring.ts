import type { TopicName, TopicRules } from '@askee/core'
import type { GossipsubOpts } from '@libp2p/gossipsub'

/**
 * Peer scores (gossipsub 1.1 specification, "Peer Scoring"), derived from the rates that topics declare.
 *
 * The scale is set by what we want to happen, all topics counting the same:
 *
 * - **Invalid messages (P4).** The penalty is weight × count². Five within a few minutes shall graylist a peer
 *   even when it holds every merit there is: 4 × 5² = 100 > 80 + 10.
 * - **First deliveries (P2).** What a mesh peer delivers first in ten minutes, if the D = 6 mesh peers share
 *   the expected rate, earns half of the merit; twice as much all of it. A flood of valid messages earns no more.
 * - **Time in the mesh (P1).** One hour earns the other half.
 * - **Missing deliveries (P3).** Weight 0: rates are declared as the busiest expected, and a penalty for
 *   silence would prune honest peers in every quiet night. Holding messages back is countered by gossip (IHAVE).
 * - **Peers behind one address (P6).** Allowed up to 50: a school, a laboratory, the loopback address.
 */
export const GRAYLIST_SCORE = -80
const GOSSIP_SCORE = -10
const PUBLISH_SCORE = -50
/** All merit of one peer over all topics. */
const MERIT_CAP = 10
const INVALID_WEIGHT = -4
/** How long a message counts for or against its bearer. */
const MEMORY_SECONDS = 600
/** Mesh degree D. */
const MESH_DEGREE = 6
const HOUR_SECONDS = 3600
const DECAY_INTERVAL_MS = 1000
/** A counter below this is zero. */
const DECAY_TO_ZERO = 0.01
const PEERS_BEHIND_ONE_ADDRESS = 50
/** IWANT promises broken before it counts: a laptop that fell asleep breaks some. */
const TOLERATED_MISBEHAVIOUR = 6

type ScoreParams = NonNullable<GossipsubOpts['scoreParams']>
type TopicScoreParams = NonNullable<ScoreParams['topics']>[string]

/** Factor a decay interval that brings a counter to `DECAY_TO_ZERO` within `seconds`. */
export function decayFor(seconds: number): number {
  return DECAY_TO_ZERO ** (DECAY_INTERVAL_MS / 1000 / seconds)
}

/** @param topics how many topics share the merit */
export function topicScore(rules: TopicRules, topics: number): TopicScoreParams {
  const half = MERIT_CAP / 2 / topics
  const decay = decayFor(MEMORY_SECONDS)
  // A counter fed at a steady rate settles at rate / (1 − decay).
  const expectedFirst = Math.max(1, rules.expectedRatePerSecond / MESH_DEGREE / (1 - decay))
  return {
    topicWeight: 1,
    timeInMeshQuantum: 1000,
    timeInMeshCap: HOUR_SECONDS,
    timeInMeshWeight: half / HOUR_SECONDS,
    firstMessageDeliveriesDecay: decay,
    firstMessageDeliveriesCap: 2 * expectedFirst,
    firstMessageDeliveriesWeight: half / (2 * expectedFirst),
    meshMessageDeliveriesWeight: 0,
    meshMessageDeliveriesDecay: decay,
    meshMessageDeliveriesCap: 1,
    meshMessageDeliveriesThreshold: 1,
    meshMessageDeliveriesWindow: 10,
    meshMessageDeliveriesActivation: 1000,
    meshFailurePenaltyWeight: 0,
    meshFailurePenaltyDecay: decay,
    invalidMessageDeliveriesWeight: INVALID_WEIGHT,
    invalidMessageDeliveriesDecay: decay,
  }
}

export function scoring(
  topics: ReadonlyMap<TopicName, TopicRules>,
): Required<Pick<GossipsubOpts, 'scoreParams' | 'scoreThresholds'>> {
  return {
    scoreParams: {
      topics: Object.fromEntries(
        [...topics].map(([topic, rules]) => [topic, topicScore(rules, topics.size)]),
      ),
      topicScoreCap: MERIT_CAP,
      appSpecificWeight: 0,
      IPColocationFactorWeight: -1,
      IPColocationFactorThreshold: PEERS_BEHIND_ONE_ADDRESS,
      IPColocationFactorWhitelist: new Set(['127.0.0.1', '::1']),
      behaviourPenaltyWeight: -5,
      behaviourPenaltyThreshold: TOLERATED_MISBEHAVIOUR,
      behaviourPenaltyDecay: decayFor(MEMORY_SECONDS),
      decayInterval: DECAY_INTERVAL_MS,
      decayToZero: DECAY_TO_ZERO,
      retainScore: HOUR_SECONDS * 1000,
    },
    scoreThresholds: {
      gossipThreshold: GOSSIP_SCORE,
      publishThreshold: PUBLISH_SCORE,
      graylistThreshold: GRAYLIST_SCORE,
      acceptPXThreshold: MERIT_CAP,
      opportunisticGraftThreshold: 1,
    },
  }
}
