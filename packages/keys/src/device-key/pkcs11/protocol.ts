/** Which key may be opened: one that is there (`held`), one that is not and is made (`new`), or whichever of them. */
export type WantedKey = 'held' | 'new' | 'either'

/** What the thread that talks to the token is asked, and what it answers. Bytes are copied, never shared. */
export type TokenCall =
  | { readonly op: 'open'; readonly module: string; readonly tokenLabel: string; readonly pin: string }
  /** A non-extractable AES-256 key; made with `newId` when there is none. Answers its id. */
  | { readonly op: 'aes-key'; readonly label: string; readonly newId: Uint8Array }
  | {
      readonly op: 'encrypt' | 'decrypt'
      readonly label: string
      readonly nonce: Uint8Array
      readonly associated: Uint8Array
      readonly data: Uint8Array
    }
  /** A non-extractable P-256 key, made with `newId` when there is none. Answers the public point, 65 bytes. */
  | { readonly op: 'ec-key'; readonly label: string; readonly wanted: WantedKey; readonly newId: Uint8Array }
  /** ECDSA over a SHA-256 digest. Answers r‖s, 64 bytes. */
  | { readonly op: 'sign'; readonly label: string; readonly digest: Uint8Array }
  | { readonly op: 'destroy'; readonly label: string }
  | { readonly op: 'close' }

export interface TokenRequest {
  readonly id: number
  readonly call: TokenCall
}

export type TokenAnswer =
  | { readonly id: number; readonly value: Uint8Array }
  | { readonly id: number; readonly code: string; readonly text: string }
