/**
 * Determinism for WebAssembly: what is admitted, and the pass that makes every engine give the same output, trap
 * and fuel. Engine-neutral: nothing here runs a module. The specification is docs/determinism.md.
 */
export type { TrapCode } from './trap.ts'
export { isTrapCode, TRAP_CODES } from './trap.ts'
