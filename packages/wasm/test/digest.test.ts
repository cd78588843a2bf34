import { digestOf, type Fuel, utf8 } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { type ResultParts, resultDigest, TRAP_CODES } from '../src/index.ts'

const base: ResultParts = {
  module: digestOf(utf8('module')),
  input: digestOf(utf8('input')),
  output: utf8('output'),
  trap: null,
  fuel: 1234n as Fuel,
}

describe('result digest', () => {
  it('WSM-1 differs when any of module, input, output, trap and fuel does', () => {
    const variants: ResultParts[] = [
      base,
      { ...base, module: base.input },
      { ...base, input: base.module },
      { ...base, output: utf8('output\0') },
      { ...base, output: new Uint8Array(0) },
      { ...base, fuel: 1235n as Fuel },
      ...TRAP_CODES.map((trap) => ({ ...base, trap })),
    ]
    expect(new Set(variants.map(resultDigest)).size).toBe(variants.length)
  })

  it('WSM-1 is the one of version 1, for ever', () => {
    expect(resultDigest(base)).toBe(resultDigest({ ...base }))
    expect(resultDigest(base)).toBe('80d41624becbc8f9f8ba085b610d0fb11702029d9c88ae30e8945041a3affb1b')
  })
})
