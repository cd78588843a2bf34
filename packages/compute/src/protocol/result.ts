import { type Digest, digestBytes, domainHash, type Fuel, type LeaseId, type NodeId, utf8 } from '@askee/core'
import type { TrapCode } from '@askee/wasm'

/** What a receipt claims, with the output named by its digest. */
export interface Claim {
  readonly module: Digest
  readonly input: Digest
  readonly output: Digest
  readonly trap: TrapCode | null
  readonly fuel: Fuel
}

/**
 * The digest that a worker commits to. Over the output's digest, not its bytes: so a commitment and a receipt, both
 * signed, show a broken promise to anybody who has nothing else.
 */
export function claimDigest({ module, input, output, trap, fuel }: Claim): Digest {
  return domainHash('askee/claim/1', utf8([module, input, output, trap ?? '', fuel].join('/')))
}

/**
 * What a worker promises before anybody reveals. The nonce hides the result from those who could guess it; node and
 * lease bind it, so that another node's commitment is worth nothing to a copier.
 * @param nonce 32 bytes
 */
export function commitmentOf(claim: Digest, nonce: Uint8Array, node: NodeId, lease: LeaseId): Digest {
  return domainHash('askee/commit/1', digestBytes(claim), nonce, utf8(node), utf8(lease))
}
