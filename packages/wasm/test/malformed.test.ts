import { describe, expect, it } from 'vitest'
import { type Abi, check, instrument } from '../src/index.ts'
import { ENGINE, generateModule, mutate, Prng } from '../src/testing/index.ts'

/** Code of the refusal, or null; any other exception fails the test. */
function outcome(bytes: Uint8Array, abi: Abi): string | null {
  try {
    check(bytes, { abi })
    return null
  } catch (error) {
    const { name, code } = error as { name: string; code: string }
    if (name !== 'AskeeError' || !code.startsWith('wasm/')) throw error
    return code
  }
}

/** Compares with V8: what we admit it takes, and what it takes we refuse only for a feature or a limit. */
function compare(bytes: Uint8Array): 'admitted' | 'refused' {
  const code = outcome(bytes, 'none')
  const valid = ENGINE.validate(bytes)
  if (code === null) {
    if (!valid) throw new Error(`admitted what V8 refuses: ${Buffer.from(bytes).toString('hex')}`)
    return 'admitted'
  }
  if (valid && (code === 'wasm/malformed' || code === 'wasm/invalid')) {
    throw new Error(`${code} for what V8 takes: ${Buffer.from(bytes).toString('hex')}`)
  }
  return 'refused'
}

describe('hostile bytes', () => {
  it('WSM-2 agrees with V8 on thousands of damaged modules', () => {
    const random = new Prng(20260)
    const modules = Array.from({ length: 60 }, (_, seed) => generateModule(seed, { entry: 'main' }))
    const seen = { admitted: 0, refused: 0 }
    for (let index = 0; index < 6000; index++) seen[compare(mutate(random.pick(modules), random))]++
    expect(seen.admitted).toBeGreaterThan(100)
    expect(seen.refused).toBeGreaterThan(4000)
  })

  it('WSM-2 refuses every truncation', () => {
    const bytes = generateModule(3)
    for (let length = 0; length < bytes.length; length++) {
      const part = bytes.slice(0, length)
      expect(outcome(part, 'askee')).not.toBeNull()
      compare(part)
    }
  })

  it('WSM-2 refuses random bytes, with and without a header', () => {
    const random = new Prng(5)
    for (let index = 0; index < 3000; index++) {
      const bytes = Uint8Array.from({ length: random.below(200) }, () => random.below(256))
      compare(bytes)
      if (bytes.length > 8) bytes.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
      compare(bytes)
    }
  })

  it('WSM-2 never throws anything but a refusal from the pass, and puts out what V8 takes', () => {
    const random = new Prng(77)
    const modules = Array.from({ length: 40 }, (_, seed) => generateModule(seed))
    for (let index = 0; index < 2000; index++) {
      const bytes = mutate(random.pick(modules), random)
      if (outcome(bytes, 'askee') !== null) expect(() => instrument(bytes)).toThrow()
      else expect(ENGINE.validate(instrument(bytes).bytes)).toBe(true)
    }
  })

  it('WSM-2 takes time linear in the size for modules made to be slow', () => {
    const sections = (count: number): Uint8Array => {
      // Many functions that each declare the most locals in a few bytes.
      const body = [4, 1, 0x90, 0x4e, 0x7f, 0x0b]
      body[0] = body.length - 1
      const functions = [
        3,
        ...leb(leb(count).length + count),
        ...leb(count),
        ...new Array<number>(count).fill(0),
      ]
      const code: number[] = leb(count)
      for (let index = 0; index < count; index++) code.push(...body)
      return Uint8Array.from([
        0,
        0x61,
        0x73,
        0x6d,
        1,
        0,
        0,
        0,
        1,
        4,
        1,
        0x60,
        0,
        0,
        ...functions,
        10,
        ...leb(code.length),
        ...code,
      ])
    }
    const start = process.cpuUsage()
    expect(outcome(sections(99_000), 'none')).toBeNull()
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10)
  })
})

function leb(value: number): number[] {
  const out: number[] = []
  let rest = value
  while (rest > 127) {
    out.push((rest & 127) | 128)
    rest >>>= 7
  }
  return [...out, rest]
}
