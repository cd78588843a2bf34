/**
 * Determinism for WebAssembly: what is admitted, and the pass that makes every engine give the same output, trap
 * and fuel. Engine-neutral: nothing here runs a module. The specification is docs/determinism.md.
 */
export * from './constants.ts'
export type { ResultParts } from './digest.ts'
export { resultDigest } from './digest.ts'
export type { WasmError, WasmErrorCode, WasmErrorDetails } from './errors.ts'
export { WASM_ERROR_CODES } from './errors.ts'
export { LIMITS } from './limits.ts'
export type { Abi, Admission } from './module/admission.ts'
export { COSTS_V1 } from './opcodes/costs.ts'
export type { Instrumented, PassOptions } from './pass.ts'
export { check, instrument } from './pass.ts'
export type { ThreadOptions } from './thread/instrument-in-thread.ts'
export { instrumentInThread } from './thread/instrument-in-thread.ts'
export type { TrapCode } from './trap.ts'
export { isTrapCode, TRAP_CODES } from './trap.ts'
