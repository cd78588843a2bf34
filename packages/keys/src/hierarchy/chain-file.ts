import { AskeeError, decode, encode } from '@askee/core'
import { z } from 'zod'
import type { KeyStore } from '../key-store/index.ts'
import type { ChainState } from './chain.ts'

/** A chain holds some dozens of keys of some hundred bytes. */
const MAX_CHAIN_BYTES = 65_536

const safe = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const chainSchema = z.strictObject({
  v: z.literal(1),
  nextSequence: safe,
  keys: z.array(
    z.strictObject({
      kid: z.string(),
      publicKey: z.instanceof(Uint8Array),
      state: z.enum(['pre-active', 'active', 'grace', 'retired', 'compromised', 'destroyed']),
      notBefore: safe,
      expires: safe,
      previous: z.string().nullable(),
      sequence: safe,
    }),
  ),
  revocations: z.array(
    z.strictObject({
      sequence: safe,
      kids: z.array(z.string()),
      revokedAt: safe,
      until: safe,
      reason: z.enum(['compromised', 'lost', 'paranoid', 'ended']),
    }),
  ),
})

function fileName(use: string): string {
  return `chain.${use}`
}

/** The chain as it was kept, under the policy of `empty`; undefined at the first start. */
export async function loadChain(store: KeyStore, empty: ChainState): Promise<ChainState | undefined> {
  const bytes = await store.read(fileName(empty.use))
  if (bytes === undefined) return undefined
  try {
    const { v: _, ...kept } = decode(bytes, chainSchema, MAX_CHAIN_BYTES)
    return { ...empty, ...kept }
  } catch (cause) {
    throw new AskeeError('keys/chain-file', `the keys for ${empty.use} cannot be read`, {}, { cause })
  }
}

/** Keeps the chain, whole or not at all. */
export async function saveChain(store: KeyStore, chain: ChainState): Promise<void> {
  const { nextSequence, keys, revocations } = chain
  await store.replace(fileName(chain.use), encode({ v: 1, nextSequence, keys, revocations }))
}
