import { identityFromSeed } from '../identity.ts'
import type { KeyStore } from '../key-store/index.ts'
import { sealingKeyPair } from '../sealing/suites.ts'
import type { ChainState } from './chain.ts'
import { isOpenable } from './states.ts'
import type { ChainUse } from './uses.ts'

/** Bytes of entropy that a key is made of, whatever its use. */
export const SEED_BYTES = 32

const SECRET_NAME = /^([a-z-]+)\.[0-9a-f]{32}$/

/** Name in the key store of the secret of a key. */
export function secretName(use: ChainUse, kid: string): string {
  return `${use}.${kid}`
}

/** The public half of a seed. */
export async function publicKeyOf(use: ChainUse, seed: Uint8Array): Promise<Uint8Array> {
  if (use === 'audit' || use === 'status') return identityFromSeed(seed).publicKey
  return (await sealingKeyPair(use, seed)).publicKey
}

/**
 * Brings secrets and chain together at the start: a secret that no key of the chain has (a crash, a chain put back) is
 * destroyed.
 * @returns `lost` when a key that others may use has no secret any more
 */
export async function reconcileSecrets(store: KeyStore, chain: ChainState): Promise<'whole' | 'lost'> {
  const openable = new Set(
    chain.keys.filter(({ state }) => isOpenable(state)).map(({ kid }) => secretName(chain.use, kid)),
  )
  const held = (await store.names()).filter((name) => SECRET_NAME.exec(name)?.[1] === chain.use)
  for (const name of held) if (!openable.has(name)) await store.destroy(name)
  return [...openable].every((name) => held.includes(name)) ? 'whole' : 'lost'
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
