import { X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, bytesEqual, errorCode, systemRandom } from '@askee/core'
import { type KeyStore, openKeyStore } from '@askee/keys'
import {
  type Certificate,
  type CertificateSigner,
  openPkcs11Signer,
  openSoftwareSigner,
  type WantedKey,
} from '@askee/keys/authority'
import { lockDirectory } from '@askee/store'
import { type AuthorityName, intermediateName } from './authority-files.ts'
import { type DeviceKeyChoice, openDeviceKey, readSecretFile } from './device-key.ts'
import { keyPaths } from './paths.ts'

export interface AuthorityInit {
  /** Certificates and lists, for everybody; and its keys, unless they are in a token. */
  readonly directory: string
  /** `pkcs11`: the keys of root and intermediate are made in the token and never leave it. */
  readonly deviceKey: DeviceKeyChoice
}

/** What is open while one thing is done. */
export interface OpenKeys {
  readonly store: KeyStore
  /**
   * Opens the key of one at its first use.
   * @param wanted default: as all of them
   */
  signer(which: AuthorityName, wanted?: WantedKey): Promise<CertificateSigner>
}

/** Opens the device key, one process at a time, and what is needed behind it; closes all of it whatever happens. */
export async function withAuthorityKeys<T>(
  init: AuthorityInit,
  wanted: WantedKey,
  use: (opened: OpenKeys) => Promise<T>,
): Promise<T> {
  const { directory, deviceKey: choice } = init
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const release = lockDirectory(directory)
  const opened: { close(): Promise<void> }[] = []
  try {
    const paths = { directory, ...keyPaths(join(directory, 'keys')) }
    const deviceKey = await openDeviceKey(choice, paths, systemRandom)
    opened.push(deviceKey)
    const store = await openKeyStore({ directory: paths.secrets, deviceKey, random: systemRandom })
    const signers = new Map<AuthorityName, CertificateSigner>()
    const signer = async (which: AuthorityName, other = wanted): Promise<CertificateSigner> => {
      const held = signers.get(which) ?? (await openSigner(choice, store, which, other))
      if (!signers.has(which)) opened.push(held)
      signers.set(which, held)
      return held
    }
    return await use({ store, signer })
  } finally {
    for (const part of opened.reverse()) await part.close()
    release()
  }
}

function openSigner(
  choice: DeviceKeyChoice,
  store: KeyStore,
  which: AuthorityName,
  wanted: WantedKey,
): Promise<CertificateSigner> {
  if (choice.provider !== 'pkcs11') return openSoftwareSigner(store, `authority-${which}`, wanted)
  return openPkcs11Signer({
    module: choice.module,
    tokenLabel: choice.token,
    pin: () => readSecretFile(choice.pinFile),
    keyLabel: `askee authority ${which.replace('-', ' ')}`,
    wanted,
    random: systemRandom,
  })
}

const MAX_UNKNOWN_KEYS = 100

/**
 * Makes the key of the next intermediate. One that is there already is of a renewal that was broken off, or that a folder put
 * back from a copy knows nothing of: it may have signed, so it is left alone.
 * @param from ordinal from which on it looks for a free one
 * @throws AskeeError `keys/key-held` when a hundred are taken
 */
export async function newIntermediateKey({ signer }: OpenKeys, from: number): Promise<number> {
  for (let ordinal = from; ; ordinal++) {
    try {
      await signer(intermediateName(ordinal), 'new')
      return ordinal
    } catch (error) {
      if (errorCode(error) !== 'keys/key-held' || ordinal - from >= MAX_UNKNOWN_KEYS) throw error
    }
  }
}

/** Uncompressed point of the key that a certificate is for. */
export function publicKeyOf(certificate: Certificate): Uint8Array {
  const { x = '', y = '' } = new X509Certificate(certificate).publicKey.export({ format: 'jwk' })
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}

/** @throws AskeeError `agent/authority-key` */
export function assertKeyOf(certificate: Certificate, { publicKey }: CertificateSigner, path: string): void {
  if (bytesEqual(publicKeyOf(certificate), publicKey)) return
  throw new AskeeError(
    'agent/authority-key',
    `the key that opens is not the one of ${path}. Choose the device key or token with which this authority was made.`,
    { path },
  )
}
