import { fromUtf8 } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputWriter } from '../src/wire.ts'
import { runModule } from './host.ts'

const RUNS = { numRuns: 40 }

async function runRange(module: string, from: number | bigint, end: number | bigint): Promise<string> {
  const { output } = await runModule(module, new InputWriter().u64(from).u64(end).finish())
  return fromUtf8(output)
}

/** Primes by trial division: slow, and nothing like a segmented sieve. */
function isPrime(n: number): boolean {
  if (n < 2) return false
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

function count(from: number, end: number, matches: (n: number) => boolean): number {
  let found = 0
  for (let n = from; n < end; n++) if (matches(n)) found++
  return found
}

describe('primes and twin primes', () => {
  const ranges = fc.tuple(
    fc.oneof(fc.nat(100), fc.nat(200_000), fc.integer({ min: 1e9, max: 1e9 + 1e6 })),
    fc.nat(300),
  )

  it('SIM-1 count like trial division in any range', async () => {
    await fc.assert(
      fc.asyncProperty(ranges, async ([from, length]) => {
        const end = from + length
        expect(await runRange('primes', from, end)).toBe(String(count(from, end, isPrime)))
        const twins = count(from, end, (n) => isPrime(n) && isPrime(n + 2))
        expect(await runRange('twin-primes', from, end)).toBe(String(twins))
      }),
      RUNS,
    )
  })

  it('SIM-1 give the same sum however a range is cut, at the ends of segments too', async () => {
    // A segment from 3 on ends at 65,539; pairs that straddle a cut belong to the lower part.
    const wholes = [
      ['primes', count(0, 200_000, isPrime)],
      ['twin-primes', count(0, 200_000, (n) => isPrime(n) && isPrime(n + 2))],
    ] as const
    for (const cut of [65_536, 65_537, 65_538, 65_539, 65_540, 131_071, 131_075]) {
      for (const [module, whole] of wholes) {
        const parts = [await runRange(module, 0, cut), await runRange(module, cut, 200_000)]
        expect(Number(parts[0]) + Number(parts[1])).toBe(whole)
      }
    }
  })

  it('SIM-1 reach up to 10^12', async () => {
    const from = 1e12 - 100
    expect(await runRange('primes', from, 1e12)).toBe(String(count(from, 1e12, isPrime)))
    await expect(runRange('primes', from, 1e12 + 1)).rejects.toThrow('unreachable')
  })
})

describe('collatz', () => {
  function steps(start: number): number {
    let n = 0
    for (let value = BigInt(start); value !== 1n; n++)
      value = value % 2n === 0n ? value / 2n : 3n * value + 1n
    return n
  }

  it('SIM-1 finds the smallest of the longest sequences in any range', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 60 }),
        async (from, length) => {
          const starts = Array.from({ length }, (_, i) => from + i)
          const longest = Math.max(...starts.map(steps))
          const first = starts.find((start) => steps(start) === longest)
          expect(await runRange('collatz', from, from + length)).toBe(`${first} ${longest}`)
        },
      ),
      RUNS,
    )
  })

  it('SIM-1 traps where 64 bits do not suffice, rather than giving a wrong answer', async () => {
    const start = 2n ** 63n - 1n
    await expect(runRange('collatz', start, start + 1n)).rejects.toThrow('unreachable')
  })
})

describe('lucas-lehmer', () => {
  /** The same recurrence on arbitrary-precision integers. */
  function lucasLehmer(p: number): string {
    const modulus = 2n ** BigInt(p) - 1n
    let s = 4n % modulus
    for (let i = 2; i < p; i++) s = (s * s + modulus - 2n) % modulus
    return s === 0n ? 'prime' : (s & 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0')
  }

  const odd = Array.from({ length: 160 }, (_, i) => 2 * i + 3)

  it.each([...odd, 1277, 1279, 2203, 4219])(
    'SIM-1 agrees with arbitrary precision on 2^%i - 1',
    async (p) => {
      const { output } = await runModule('lucas-lehmer', new InputWriter().u32(p).finish())
      expect(fromUtf8(output)).toBe(lucasLehmer(p))
    },
  )
})
