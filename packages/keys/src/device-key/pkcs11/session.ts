import { createRequire } from 'node:module'
import type { Handle, PKCS11 } from 'pkcs11js'
import type { TokenCall } from './protocol.ts'

// Its constants are set at run time, so that they cannot be imported by name.
const pkcs11js: typeof import('pkcs11js') = createRequire(import.meta.url)('pkcs11js')

/** prime256v1 as an object identifier in DER. */
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const TAG_BITS = 128
/** Room that a token wants beside the data: block, tag. */
const SLACK_BYTES = 64
const SIGNATURE_BYTES = 64
/** `04 41` (OCTET STRING of 65 bytes) that PKCS#11 puts before a point. */
const POINT_PREFIX = Buffer.from('0441', 'hex')

type Call<Op extends TokenCall['op']> = Extract<TokenCall, { op: Op }>

/** A refusal with a code of this package; the thread's boundary carries it as plain data. */
export class TokenError extends Error {
  readonly code: string
  constructor(code: string, text: string) {
    super(text)
    this.code = code
  }
}

/** One session with one token, on the thread that owns it: every call blocks. */
export class TokenSession {
  readonly #lib: PKCS11
  readonly #session: Handle
  readonly #keys = new Map<string, Handle>()

  constructor(init: Call<'open'>) {
    this.#lib = loadLibrary(init.module)
    const slot = this.#slot(init.tokenLabel)
    this.#session = this.#lib.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION)
    try {
      this.#lib.C_Login(this.#session, pkcs11js.CKU_USER, init.pin)
    } catch (error) {
      // A login holds for the whole process, so a second session finds it done.
      if (nameOf(error) !== 'CKR_USER_ALREADY_LOGGED_IN') {
        this.#lib.C_CloseSession(this.#session)
        throw error
      }
    }
  }

  /** The id of the AES key, made when there is none. */
  aesKey({ label, newId }: Call<'aes-key'>): Uint8Array {
    let key = this.#find(pkcs11js.CKO_SECRET_KEY, label)
    key ??= this.#lib.C_GenerateKey(this.#session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
      { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
      { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
      ...named(label, newId),
      ...hidden,
      { type: pkcs11js.CKA_ENCRYPT, value: true },
      { type: pkcs11js.CKA_DECRYPT, value: true },
    ])
    this.#refuseExtractable(key, label)
    const [id] = this.#lib.C_GetAttributeValue(this.#session, key, [{ type: pkcs11js.CKA_ID }])
    return new Uint8Array(id?.value as Buffer)
  }

  cipher({ op, label, nonce, associated, data }: Call<'encrypt' | 'decrypt'>): Uint8Array {
    const parameter = {
      type: pkcs11js.CK_PARAMS_AES_GCM_v240,
      iv: Buffer.from(nonce),
      aad: Buffer.from(associated),
      ivBits: nonce.byteLength * 8,
      tagBits: TAG_BITS,
    }
    const mechanism = { mechanism: pkcs11js.CKM_AES_GCM, parameter }
    const room = Buffer.alloc(data.byteLength + SLACK_BYTES)
    const key = this.#held(pkcs11js.CKO_SECRET_KEY, label)
    if (op === 'encrypt') {
      this.#lib.C_EncryptInit(this.#session, mechanism, key)
      return new Uint8Array(this.#lib.C_Encrypt(this.#session, Buffer.from(data), room))
    }
    this.#lib.C_DecryptInit(this.#session, mechanism, key)
    try {
      return new Uint8Array(this.#lib.C_Decrypt(this.#session, Buffer.from(data), room))
    } catch (error) {
      throw new TokenError('keys/unwrap-refused', `the token refused the ciphertext: ${nameOf(error)}`)
    } finally {
      room.fill(0)
    }
  }

  /** The public point of the P-256 key. */
  ecKey({ label, wanted, newId }: Call<'ec-key'>): Uint8Array {
    let privateKey = this.#find(pkcs11js.CKO_PRIVATE_KEY, label)
    if (wanted === 'held' && privateKey === undefined) {
      throw new TokenError('keys/no-key', `the token has no key "${label}"`)
    }
    if (wanted === 'new' && privateKey !== undefined) {
      throw new TokenError('keys/key-held', `the token holds a key "${label}" already`)
    }
    if (privateKey === undefined) {
      const pair = this.#lib.C_GenerateKeyPair(
        this.#session,
        { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
        [
          ...named(label, newId),
          { type: pkcs11js.CKA_EC_PARAMS, value: P256 },
          { type: pkcs11js.CKA_VERIFY, value: true },
        ],
        [...named(label, newId), ...hidden, { type: pkcs11js.CKA_SIGN, value: true }],
      )
      privateKey = pair.privateKey
    }
    this.#refuseExtractable(privateKey, label)
    const publicKey = this.#held(pkcs11js.CKO_PUBLIC_KEY, label)
    const [point] = this.#lib.C_GetAttributeValue(this.#session, publicKey, [{ type: pkcs11js.CKA_EC_POINT }])
    const value = point?.value as Buffer
    if (value.byteLength !== 67 || !value.subarray(0, 2).equals(POINT_PREFIX)) {
      throw new TokenError('keys/pkcs11', `the key "${label}" of the token is not on P-256`)
    }
    return new Uint8Array(value.subarray(2))
  }

  /** ECDSA without hashing: SoftHSM has no CKM_ECDSA_SHA256. */
  sign({ label, digest }: Call<'sign'>): Uint8Array {
    const key = this.#held(pkcs11js.CKO_PRIVATE_KEY, label)
    this.#lib.C_SignInit(this.#session, { mechanism: pkcs11js.CKM_ECDSA }, key)
    return new Uint8Array(this.#lib.C_Sign(this.#session, Buffer.from(digest), Buffer.alloc(SIGNATURE_BYTES)))
  }

  /** Destroys every key of that label. */
  destroy({ label }: Call<'destroy'>): void {
    for (const kind of [pkcs11js.CKO_SECRET_KEY, pkcs11js.CKO_PRIVATE_KEY, pkcs11js.CKO_PUBLIC_KEY]) {
      for (let key = this.#find(kind, label); key !== undefined; key = this.#find(kind, label)) {
        this.#lib.C_DestroyObject(this.#session, key)
      }
    }
    this.#keys.clear()
  }

  /** Ends the session, not the library: another session of this process may use it. */
  close(): void {
    this.#lib.C_CloseSession(this.#session)
  }

  #slot(tokenLabel: string): Handle {
    const labels: string[] = []
    for (const slot of this.#lib.C_GetSlotList(true)) {
      const label = this.#lib.C_GetTokenInfo(slot).label.trimEnd()
      if (label === tokenLabel) return slot
      if (label !== '') labels.push(label)
    }
    throw new TokenError(
      'keys/no-token',
      `no token is labelled "${tokenLabel}"; there ${labels.length === 0 ? 'is none' : `is: ${labels.join(', ')}`}. Plug it in, or initialise one.`,
    )
  }

  #held(kind: number, label: string): Handle {
    const name = `${kind}/${label}`
    const key = this.#keys.get(name) ?? this.#find(kind, label)
    if (key === undefined) throw new TokenError('keys/pkcs11', `the token has no key "${label}"`)
    this.#keys.set(name, key)
    return key
  }

  #find(kind: number, label: string): Handle | undefined {
    this.#lib.C_FindObjectsInit(this.#session, [
      { type: pkcs11js.CKA_CLASS, value: kind },
      { type: pkcs11js.CKA_LABEL, value: label },
    ])
    try {
      return this.#lib.C_FindObjects(this.#session, 1)[0]
    } finally {
      this.#lib.C_FindObjectsFinal(this.#session)
    }
  }

  #refuseExtractable(key: Handle, label: string): void {
    const [extractable] = this.#lib.C_GetAttributeValue(this.#session, key, [
      { type: pkcs11js.CKA_EXTRACTABLE },
    ])
    if ((extractable?.value as Buffer | undefined)?.[0] === 0) return
    throw new TokenError(
      'keys/pkcs11',
      `the key "${label}" may leave the token. Remove it; a safe one is made then.`,
    )
  }
}

/** Never leaves the token, not even wrapped. */
const hidden = [
  { type: pkcs11js.CKA_PRIVATE, value: true },
  { type: pkcs11js.CKA_SENSITIVE, value: true },
  { type: pkcs11js.CKA_EXTRACTABLE, value: false },
]

function named(label: string, id: Uint8Array): { type: number; value: string | boolean | Buffer }[] {
  return [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_LABEL, value: label },
    { type: pkcs11js.CKA_ID, value: Buffer.from(id) },
  ]
}

function loadLibrary(module: string): PKCS11 {
  const lib = new pkcs11js.PKCS11()
  try {
    lib.load(module)
  } catch (error) {
    throw new TokenError('keys/no-pkcs11', `${module} cannot be loaded: ${(error as Error).message}`)
  }
  try {
    lib.C_Initialize({ flags: pkcs11js.CKF_OS_LOCKING_OK })
  } catch (error) {
    if (nameOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
  }
  return lib
}

/** The `CKR_…` name of a failed call. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? (/CKR_\w+/.exec(error.message)?.[0] ?? error.message) : String(error)
}
