import type { WasmErrorCode, WasmErrorDetails } from '../errors.ts'
import type { Instrumented, PassOptions } from '../pass.ts'

/** What a thread is started with. The buffer of `bytes` was handed over. */
export interface PassTask {
  readonly bytes: Uint8Array
  readonly options: PassOptions
}

/** Its only message. An error does not keep its class from one thread to another, so a refusal is told by its parts. */
export type PassAnswer =
  | { readonly kind: 'instrumented'; readonly instrumented: Instrumented }
  | {
      readonly kind: 'refused'
      readonly code: WasmErrorCode
      readonly message: string
      readonly details: WasmErrorDetails
    }
