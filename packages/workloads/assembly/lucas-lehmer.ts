/**
 * Lucas–Lehmer test (D. H. Lehmer, 1930): for an odd prime p, 2^p − 1 is prime exactly when s(p − 2) is 0 modulo it,
 * where s(0) = 4 and s(i + 1) = s(i)² − 2.
 * Input: u32 p (odd, 3 to 100,000). Output: 'prime', or the low 64 bits of s(p − 2) as 16 hexadecimal digits.
 */
import { DONE, MORE, Reader, require, writeText } from './kit'
import { MersenneResidue } from './lib/mersenne'

/** Limb products after which `step` pauses: some milliseconds. */
const PRODUCTS_A_STEP = 4_000_000
const LARGEST_EXPONENT: u32 = 100_000

let residue: MersenneResidue | null = null
let squaringsLeft: u32 = 0
let squaringsAStep: u32 = 0

export function step(): i32 {
  if (!residue) start()
  const s = residue!
  for (let i: u32 = 0; i < squaringsAStep && squaringsLeft > 0; i++) {
    s.square()
    s.subtractTwo()
    squaringsLeft--
  }
  if (squaringsLeft > 0) return MORE
  writeText(s.isZero ? 'prime' : s.low64.toString(16).padStart(16, '0'))
  return DONE
}

function start(): void {
  const p = new Reader().u32()
  require(p >= 3 && p <= LARGEST_EXPONENT && (p & 1) == 1)
  const limbs = (p >> 5) + 1
  squaringsAStep = PRODUCTS_A_STEP / ((limbs * limbs) / 2 + limbs) + 1
  squaringsLeft = p - 2
  residue = new MersenneResidue(p, 4)
}
