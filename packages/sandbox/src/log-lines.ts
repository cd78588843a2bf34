import { MAX_LOG_BYTES, MIN_LOG_LINE_CHARGE } from './messages.ts'

/** Control characters, line and paragraph separators, and the marks that reorder text on a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is its purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Text of a task's log line that is safe to print: UTF-8 decoded, control and reordering characters as `\u{…}`. */
function escapeLogLine(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true })
    .decode(bytes)
    .replace(UNSAFE, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`)
}

/** Passes lines on until the cap of a task is used up, then drops them. */
export function cappedLog(onLine: (line: string) => void): (bytes: Uint8Array) => void {
  let bytesLeft = MAX_LOG_BYTES
  return (bytes) => {
    if (bytesLeft <= 0) return
    const part = bytes.subarray(0, bytesLeft)
    bytesLeft -= Math.max(part.byteLength, MIN_LOG_LINE_CHARGE)
    onLine(escapeLogLine(part))
  }
}
