import { printable } from './output.ts'

const SHOWN = 48

/** A task's output in one cell of a table: text where it is text, else hexadecimal; shortened. */
export function outputCell(output: Uint8Array): string {
  const text = Buffer.from(output).toString('utf8').trimEnd()
  const isText = !text.includes('\ufffd') && printable(text) === text
  const line = isText ? text : Buffer.from(output.subarray(0, SHOWN / 2 + 1)).toString('hex')
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line
}
