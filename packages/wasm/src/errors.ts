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

/** Ends admission. The text names the offence and its offset. */
export function refuse(code: WasmErrorCode, offset: number, offence: string): never {
  throw new AskeeError<WasmErrorCode, WasmErrorDetails>(code, `${offence} at byte ${offset}`, { offset })
}
