import { printable } from './output.ts'

/** With the other columns of a table of results it fits a terminal of 100. */
const SHOWN = 40

/** A task's output in one cell of a table: text where it is text, its lines joined, else hexadecimal; shortened. */
export function outputCell(output: Uint8Array): string {
  const text = Buffer.from(output).toString('utf8').trimEnd().replaceAll('\r\n', '\n').replaceAll('\n', '⏎')
  const isText = !text.includes('\ufffd') && printable(text) === text
  const line = isText ? text : Buffer.from(output.subarray(0, SHOWN / 2 + 1)).toString('hex')
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line
}
