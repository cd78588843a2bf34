/** The part of JavaScript's WebAssembly interface that tests use; TypeScript has it only among browser types. */
export interface EngineGlobal {
  value: number | bigint
}

export interface EngineMemory {
  readonly buffer: ArrayBuffer
}

export type EngineExports = Readonly<Record<string, unknown>>

export interface Engine {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports?: object) => { readonly exports: EngineExports }
  readonly Memory: new (limits: { initial: number; maximum?: number }) => EngineMemory
  readonly Global: new (type: { value: string; mutable: boolean }, value: unknown) => EngineGlobal
  readonly RuntimeError: new (message: string) => Error
  readonly CompileError: new (message: string) => Error
  readonly LinkError: new (message: string) => Error
}

/** V8 of this process. */
export const ENGINE: Engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly
