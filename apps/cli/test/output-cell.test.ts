import { describe, expect, it } from 'vitest'
import { outputCell } from '../src/terminal/output-cell.ts'

const cell = (text: string): string => outputCell(new TextEncoder().encode(text))

describe('an output in a cell of a table', () => {
  it('CLI-1 shows text as text, its lines joined, and the rest in hexadecimal, shortened', () => {
    expect(cell('42\n')).toBe('42')
    expect(cell('a 23\nb 2\r\n')).toBe('a 23⏎b 2')
    expect(cell('x'.repeat(41))).toBe(`${'x'.repeat(40)}…`)
    expect(cell('\u001b[31m')).toBe('1b5b33316d')
    expect(outputCell(Uint8Array.of(0xff, 0))).toBe('ff00')
    expect(outputCell(new Uint8Array(100))).toBe(`${'00'.repeat(20)}…`)
  })
})
