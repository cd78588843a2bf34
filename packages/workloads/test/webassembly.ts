/** The part of the WebAssembly JavaScript interface that the tests use: its types come only with those of a browser. */
interface WebAssemblyInterface {
  readonly Module: {
    new (bytes: Uint8Array): WasmModule
    imports(module: WasmModule): readonly { module: string; name: string; kind: string }[]
    exports(module: WasmModule): readonly { name: string; kind: string }[]
  }
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, (...args: number[]) => number | undefined>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> }
  readonly RuntimeError: ErrorConstructor
}

declare const moduleBrand: unique symbol
export interface WasmModule {
  readonly [moduleBrand]: true
}

export const WebAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyInterface }).WebAssembly

/** What a stepwise task exports. */
export interface TaskExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  readonly step: () => number
}
