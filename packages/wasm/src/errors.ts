import { AskeeError } from '@askee/core'

/** Why a module is refused. The meaning of each code is a table in docs/determinism.md. */
export const WASM_ERROR_CODES = [
  'wasm/malformed',
  'wasm/invalid',
  'wasm/too-large',
  'wasm/threads',
  'wasm/relaxed-simd',
  'wasm/gc',
  'wasm/memory64',
  'wasm/multi-memory',
  'wasm/exceptions',
  'wasm/tail-call',
  'wasm/reference-types',
  'wasm/extended-const',
  'wasm/unknown-import',
  'wasm/memory-unbounded',
  'wasm/memory-limit',
  'wasm/missing-export',
  'wasm/ambiguous-entry',
  'wasm/reserved-export',
  'wasm/segment-out-of-bounds',
  'wasm/not-checkpointable',
] as const

export type WasmErrorCode = (typeof WASM_ERROR_CODES)[number]

export interface WasmErrorDetails {
  /** Byte offset in the module where the offence stands. */
  readonly offset: number
}

export type WasmError = AskeeError<WasmErrorCode, WasmErrorDetails>

export function isRefusal(error: unknown): error is WasmError {
  return error instanceof AskeeError && (WASM_ERROR_CODES as readonly string[]).includes(error.code)
}

/** Characters that change how text around them is shown, or are not shown: controls, formats (bidi among them), separators. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
/** UTF-16 units of a name from a module that are shown. */
const NAME_SHOWN = 100

/** A name from a module as it may stand in a text: in quotes, cut short. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > NAME_SHOWN ? `${name.slice(0, NAME_SHOWN)}…` : name)
}

/**
 * Ends admission. The text names the offence and its offset, and is one line that shows as it is written: parts of it come
 * from the module.
 */
export function refuse(code: WasmErrorCode, offset: number, offence: string): never {
  const text = `${offence} at byte ${offset}`.replace(UNSEEN, escaped)
  throw new AskeeError<WasmErrorCode, WasmErrorDetails>(code, text, { offset })
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
