/**
 * What a plain instruction (no control, no variables, no memory) does to the operand stack and to NaN bits.
 */
export interface Signature {
  readonly params: readonly number[]
  /** 0 when it leaves nothing. */
  readonly result: number
  /** Shape whose NaN result must be made canonical, or 0. */
  readonly canonical: number
  /** Shape of the operands whose NaN bits cannot be seen in the result, or 0. */
  readonly ignores: number
  readonly cost: number
}

export type SignatureTable = (Signature | undefined)[]
