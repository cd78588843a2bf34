/**
 * The key-encryption key of this machine. Whatever is secret on disk is wrapped by it; where it lives (a file, the
 * operating system's keychain, behind a passphrase, in a token) is the provider's business.
 */
export interface DeviceKey {
  readonly provider: 'software' | 'keychain' | 'passphrase' | 'pkcs11'
  /**
   * `secret` (1 byte to 64 KiB) encrypted and bound to `context`, which says what it is for. Two calls never give the same bytes.
   * @throws AskeeError `keys/secret-size`, `keys/closed`
   */
  wrap(secret: Uint8Array, context: string): Promise<Uint8Array>
  /**
   * The secret again.
   * @throws AskeeError `keys/wrong-key` wrapped by another key, `keys/wrong-context` wrapped for another purpose,
   * `keys/unwrap-refused` changed since, `keys/wrapped-format` not made by `wrap`, `keys/closed`
   */
  unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array>
  /** Forgets the key; the object is useless after. Safe to call twice. */
  close(): Promise<void>
}

export type DeviceKeyErrorCode =
  | 'keys/wrong-key'
  | 'keys/wrong-context'
  | 'keys/unwrap-refused'
  | 'keys/wrapped-format'
  | 'keys/secret-size'
  | 'keys/closed'
  | 'keys/device-key-file'
  | 'keys/wrong-passphrase'
  | 'keys/passphrase-size'
  | 'keys/locked-file'
  | 'keys/no-keychain'
  | 'keys/no-pkcs11'
  | 'keys/no-token'
  | 'keys/wrong-pin'
  | 'keys/pin-locked'
  | 'keys/pkcs11'

/** Largest secret that is wrapped. Data is encrypted with keys that are wrapped, never wrapped itself. */
export const MAX_SECRET_BYTES = 65_536
