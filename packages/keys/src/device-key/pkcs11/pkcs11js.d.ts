/**
 * What we use of pkcs11js. Declared here, because the package is optional: where it could not be compiled it is not
 * there, and types must hold all the same.
 */
declare module 'pkcs11js' {
  type Handle = Buffer
  interface Attribute {
    readonly type: number
    readonly value?: number | boolean | string | Buffer
  }
  interface Mechanism {
    readonly mechanism: number
    readonly parameter?: object
  }

  class PKCS11 {
    load(path: string): void
    C_Initialize(options?: { readonly flags: number }): void
    C_GetSlotList(tokenPresent: boolean): Handle[]
    C_GetTokenInfo(slot: Handle): { readonly label: string }
    C_OpenSession(slot: Handle, flags: number): Handle
    C_CloseSession(session: Handle): void
    C_Login(session: Handle, userType: number, pin: string): void
    C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void
    C_FindObjects(session: Handle, maxCount: number): Handle[]
    C_FindObjectsFinal(session: Handle): void
    C_GetAttributeValue(session: Handle, object: Handle, query: readonly Attribute[]): Attribute[]
    C_DestroyObject(session: Handle, object: Handle): void
    C_GenerateKey(session: Handle, mechanism: Mechanism, template: readonly Attribute[]): Handle
    C_GenerateKeyPair(
      session: Handle,
      mechanism: Mechanism,
      publicTemplate: readonly Attribute[],
      privateTemplate: readonly Attribute[],
    ): { readonly publicKey: Handle; readonly privateKey: Handle }
    C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void
    C_Encrypt(session: Handle, data: Buffer, room: Buffer): Buffer
    C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void
    C_Decrypt(session: Handle, data: Buffer, room: Buffer): Buffer
    C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void
    C_Sign(session: Handle, data: Buffer, room: Buffer): Buffer
  }

  const CKA_CLASS: number
  const CKA_DECRYPT: number
  const CKA_EC_PARAMS: number
  const CKA_EC_POINT: number
  const CKA_ENCRYPT: number
  const CKA_EXTRACTABLE: number
  const CKA_ID: number
  const CKA_KEY_TYPE: number
  const CKA_LABEL: number
  const CKA_PRIVATE: number
  const CKA_SENSITIVE: number
  const CKA_SIGN: number
  const CKA_TOKEN: number
  const CKA_VALUE_LEN: number
  const CKA_VERIFY: number
  const CKF_OS_LOCKING_OK: number
  const CKF_RW_SESSION: number
  const CKF_SERIAL_SESSION: number
  const CKK_AES: number
  const CKM_AES_GCM: number
  const CKM_AES_KEY_GEN: number
  const CKM_ECDSA: number
  const CKM_EC_KEY_PAIR_GEN: number
  const CKO_PRIVATE_KEY: number
  const CKO_PUBLIC_KEY: number
  const CKO_SECRET_KEY: number
  const CKU_USER: number
  const CK_PARAMS_AES_GCM_v240: number
}
