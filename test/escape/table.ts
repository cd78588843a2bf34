import { holds, type Row } from './attempt.ts'

const WIDTH = 38

function cut(text: string, width = WIDTH): string {
  const plain = text.replace(/[^\x20-\x7e…×]/g, '?')
  return plain.length <= width ? plain : `${plain.slice(0, width - 1)}…`
}

/** For people: a line a part of an attempt. */
export function formatRows(rows: readonly Row[]): string {
  const head = ['no', 'attempt', 'stopped by', 'seccomp off', 'control', '']
  const lines = rows.flatMap((row) => {
    const number = String(row.number)
    if (row.parts.length === 0) return [[number, row.name, row.stoppedBy, '', '', row.verdict]]
    if (row.parts.length === 1) {
      const [part] = row.parts
      return [
        [number, row.name, part!.contained.text, part!.withoutSeccomp.text, part!.control.text, row.verdict],
      ]
    }
    const title = [number, row.name, '', '', '', row.verdict]
    const parts = row.parts.map((part) => {
      const mark = holds(part) ? (part.control.asExpected ? '' : 'no control') : 'ESCAPED'
      return ['', `  ${part.name}`, part.contained.text, part.withoutSeccomp.text, part.control.text, mark]
    })
    return [title, ...parts]
  })
  const cells = [head, ...lines].map((line) => line.map((text) => cut(text)))
  const widths = head.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)))
  return cells
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
