import type { Timestamp } from '@askee/core'
import type { KeyStore } from '../key-store/index.ts'
import { emptyChain } from './chain.ts'
import { saveChain } from './chain-file.ts'
import { CHAIN_USES, ROTATION_POLICIES } from './uses.ts'

/**
 * For an identity that came back from a backup, before its ring is started: the keys of its chains are lost, and how many
 * there were is not known. Chains begin again at a sequence from the clock, far above any that daily keys reach, and all
 * keys below it are declared lost, so that other nodes take the new ones at once and not when the lost ones expire.
 * Overwrites chains that are there.
 */
export async function restartChains(store: KeyStore, now: Timestamp): Promise<void> {
  // One a second: no chain is that fast, so a second restart later is above the first.
  const nextSequence = Math.floor(now / 1000)
  for (const use of CHAIN_USES) {
    const policy = ROTATION_POLICIES[use]
    const until = now + policy.lead + policy.activeFor + policy.grace
    const lost = { sequence: nextSequence - 1, kids: [], revokedAt: now, until, reason: 'lost' as const }
    await saveChain(store, { ...emptyChain(use, policy), nextSequence, revocations: [lost] })
  }
}
