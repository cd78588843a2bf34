import { writeSync } from 'node:fs'

/** Data goes to standard output. Written synchronously, so that an exit right after cuts nothing off. */
export function printData(text: string): void {
  writeAll(1, `${text}\n`)
}

/** One JSON value on a line of its own; 64-bit numbers as decimal text. */
export function printJson(value: unknown): void {
  printData(JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? item.toString() : item)))
}

/** Progress, notes and errors go to standard error. */
export function printNote(text: string): void {
  writeAll(2, `${text}\n`)
}

function writeAll(fd: number, text: string): void {
  let bytes: Uint8Array = Buffer.from(text)
  while (bytes.byteLength > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'EPIPE') return
      // A pipe that its reader has not drained yet: wait a moment for room.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      else throw error
    }
  }
}

/** Whether colours and redrawing are welcome on `stream` (https://no-color.org). */
export function isFancy(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env.NO_COLOR === undefined && process.env.TERM !== 'dumb'
}

/** Text that came from elsewhere, safe to print: control characters are made visible. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`)
}
