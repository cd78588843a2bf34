import type { Timestamp } from '@askee/core'
import type { KeyStore } from '../key-store/index.ts'
import { emptyChain } from './chain.ts'
import { saveChain } from './chain-file.ts'
import { CHAIN_USES, ROTATION_POLICIES } from './uses.ts'

/**
 * For an identity that came back from a backup, before its ring is started: the keys of its chains are lost. Sequences
 * follow the clock, so all that were made before `now` are declared lost without knowing them, and other nodes stop
 * sealing to them at once, not when they expire. Overwrites chains that are there.
 */
export async function restartChains(store: KeyStore, now: Timestamp): Promise<void> {
  for (const use of CHAIN_USES) {
    const policy = ROTATION_POLICIES[use]
    const until = now + policy.lead + policy.activeFor + policy.grace
    const lost = { sequence: now, kids: [], revokedAt: now, until, reason: 'lost' as const }
    await saveChain(store, { ...emptyChain(use, policy), nextSequence: now + 1, revocations: [lost] })
  }
}
