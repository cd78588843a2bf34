import { fromUtf8, utf8 } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { syntheticText } from '../src/data/synthetic-text.ts'
import { summary, textOf } from '../src/data-processing/word-histogram.ts'
import { WORKLOADS } from '../src/index.ts'
import { runModule } from './host.ts'

/** One process, one pass over the whole text, with the words that a regular expression finds. */
function histogram(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [word] of text.toLowerCase().matchAll(/[a-z]+/g)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

describe('word-histogram', () => {
  it.each(['small', 'default', 'full'] as const)('SIM-1 expects what one process counts, size %s', (size) => {
    expect(WORKLOADS.get('word-histogram')?.expected(size)).toBe(summary(histogram(textOf(size))))
  })

  it('SIM-1 lists words in alphabetical order, capital and small letters as one', async () => {
    const { output } = await runModule('word-histogram', utf8("The cat's hat; THE END.\nthe-hat"))
    expect(fromUtf8(output)).toBe('cat 1\nend 1\nhat 2\ns 1\nthe 3\n')
  })

  it('SIM-1 counts like a regular expression in any bytes', async () => {
    const words = fc.string({ unit: fc.constantFrom(...'abAB z\n,é0'), maxLength: 400 })
    await fc.assert(
      fc.asyncProperty(words, async (text) => {
        const { output } = await runModule('word-histogram', utf8(text))
        const lines = [...histogram(text)].map(([word, count]) => `${word} ${count}\n`).sort()
        expect(fromUtf8(output)).toBe(lines.join(''))
      }),
      { numRuns: 60 },
    )
  })

  it('SIM-1 takes the largest text even when every word is new and as short as can be', async () => {
    const text = Array.from({ length: 40_000 }, (_, i) => shortWord(i))
      .join(' ')
      .slice(0, 1 << 17)
    const { output } = await runModule('word-histogram', utf8(text))
    expect(fromUtf8(output).trimEnd().split('\n')).toHaveLength(histogram(text).size)
    expect(histogram(text).size).toBeGreaterThan(29_000)
    await expect(runModule('word-histogram', utf8(`${text} `))).rejects.toThrow('unreachable')
  })

  it('SIM-1 finds every word again after the table of words has grown', async () => {
    const words = Array.from({ length: 14_000 }, (_, i) => shortWord(i)).join(' ')
    const { output } = await runModule('word-histogram', utf8(`${words} ${words}`))
    const lines = [...histogram(words).keys()].map((word) => `${word} 2`).sort()
    expect(fromUtf8(output).trimEnd().split('\n')).toEqual(lines)
  })

  it('WSM-1 makes the same text from the same seed, and another from another', () => {
    expect(syntheticText(1000, 1)).toBe(syntheticText(1000, 1))
    expect(syntheticText(1000, 1)).not.toBe(syntheticText(1000, 2))
  })
})

/** All words of one letter, then of two, of three… */
function shortWord(n: number): string {
  const rest = Math.floor(n / 26) - 1
  return (rest >= 0 ? shortWord(rest) : '') + String.fromCharCode(97 + (n % 26))
}
