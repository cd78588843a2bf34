import { errorCode, systemRandom, utf8 } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fileSealing } from '../src/index.ts'

const KEY = new Uint8Array(32).fill(1)
const sealing = fileSealing(systemRandom, KEY, 'peers')

function codeOf(open: () => unknown): string {
  try {
    open()
    return 'opened'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

describe('sealed files', () => {
  it('STO-1 come back under their name and key alone, and never look the same twice', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        const sealed = sealing.seal('a', plain)
        expect(sealing.open('a', sealed)).toEqual(plain)
        expect(sealing.seal('a', plain)).not.toEqual(sealed)
        expect(codeOf(() => sealing.open('b', sealed))).toBe('store/damaged')
      }),
      { numRuns: 50 },
    )
  })

  it('STO-1 say whether they are of another key, of another kind, or damaged', () => {
    const sealed = sealing.seal('a', utf8('plain'))
    const other = fileSealing(systemRandom, new Uint8Array(32).fill(2), 'peers')
    expect(codeOf(() => other.open('a', sealed))).toBe('store/wrong-key')
    expect(codeOf(() => fileSealing(systemRandom, KEY, 'ports').open('a', sealed))).toBe('store/damaged')
    for (let at = 0; at < sealed.byteLength; at++) {
      const bad = Uint8Array.from(sealed)
      bad[at]! ^= 0x10
      expect(
        codeOf(() => sealing.open('a', bad)),
        `byte ${at}`,
      ).toBe('store/damaged')
      expect(
        codeOf(() => sealing.open('a', sealed.subarray(0, at))),
        `cut to ${at}`,
      ).toBe('store/damaged')
    }
  })
})
