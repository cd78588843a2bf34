import { identityFromSeed } from '../identity.ts'
import { sealingKeyPair } from '../sealing/suites.ts'
import type { ChainState } from './chain.ts'
import type { ChainUse } from './uses.ts'

/** Bytes of entropy that a key is made of, whatever its use. */
export const SEED_BYTES = 32

/** Name in the key store of the secret of a key. */
export function secretName(use: ChainUse, kid: string): string {
  return `${use}.${kid}`
}

/** The public half of a seed. */
export async function publicKeyOf(use: ChainUse, seed: Uint8Array): Promise<Uint8Array> {
  if (use === 'audit' || use === 'status') return identityFromSeed(seed).publicKey
  return (await sealingKeyPair(use, seed)).publicKey
}

/** Whether nothing changed that must be kept: ticks come every minute and change nothing most of the time. */
export function sameKeys(a: ChainState, b: ChainState): boolean {
  return (
    a.making === b.making &&
    a.revocations.length === b.revocations.length &&
    a.keys.length === b.keys.length &&
    a.keys.every((key, i) => key.kid === b.keys[i]?.kid && key.state === b.keys[i]?.state)
  )
}
