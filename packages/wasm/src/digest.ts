import { type Digest, digestBytes, domainHash, type Fuel, utf8 } from '@askee/core'
import { PASS_VERSION } from './constants.ts'
import type { TrapCode } from './trap.ts'

/** What a task ended with, and for what. */
export interface ResultParts {
  /** Digest of the module before the pass. */
  readonly module: Digest
  readonly input: Digest
  readonly output: Uint8Array
  readonly trap: TrapCode | null
  /** Fuel used: in [0, 2^63). */
  readonly fuel: Fuel
}

/** The digest that is voted on: equal if and only if module, pass, input, output, trap and fuel are equal. */
export function resultDigest({ module, input, output, trap, fuel }: ResultParts): Digest {
  const version = new Uint8Array(4)
  new DataView(version.buffer).setUint32(0, PASS_VERSION)
  const used = new Uint8Array(8)
  new DataView(used.buffer).setBigUint64(0, fuel)
  const parts = [version, digestBytes(module), digestBytes(input), output, utf8(trap ?? ''), used]
  return domainHash('askee/result', ...parts)
}
