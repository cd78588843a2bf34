import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, decode, encode, systemClock, systemRandom } from '@askee/core'
import { type DeviceKey, type KeyStore, openKeyStore } from '@askee/keys'
import {
  type Authority,
  type AuthorityState,
  type Capability,
  type Certificate,
  type CertificateRevocationReason,
  type CertificateSigner,
  createAuthority,
  fromPem,
  issueIntermediate,
  issueRoot,
  listToPem,
  NODE_REVOCATION_LIFE,
  openPkcs11Signer,
  openSoftwareSigner,
  toPem,
  type VerifiedCertificate,
  verifyNodeCertificate,
} from '@askee/keys/authority'
import { lockDirectory, writeDurably } from '@askee/store'
import { z } from 'zod'
import { type DeviceKeyChoice, openDeviceKey, readSecretFile } from './device-key.ts'
import { keyPaths } from './paths.ts'

export interface AuthorityInit {
  /** Certificates and lists, for everybody; and its keys, unless they are in a token. */
  readonly directory: string
  /** `pkcs11`: the keys of root and intermediate are made in the token and never leave it. */
  readonly deviceKey: DeviceKeyChoice
}

/** What an authority has published. */
interface PublishedAuthority {
  readonly root: Certificate
  readonly intermediate: Certificate
  readonly lists: { readonly root: Uint8Array; readonly intermediate: Uint8Array }
}

export interface IssuedCertificate {
  /** With the intermediate's behind it, as TLS libraries want it. */
  readonly pem: string
  /** In hexadecimal, for `revoke`. */
  readonly serial: string
  /** Milliseconds since 1970. */
  readonly notAfter: number
}

/** The certificate authority of an organisation, in a folder. */
export interface OpenAuthority {
  /**
   * @param request of a node, at most five minutes old
   * @param allowed what it gets of the capabilities that it asks for
   * @throws AskeeError `certificate/request`, `codec/*`, `signature/*`
   */
  issue(request: Uint8Array, allowed: readonly Capability[]): Promise<IssuedCertificate>
  /** Revokes, and publishes the new list. @throws AskeeError `certificate/serial` */
  revoke(serial: string, reason: CertificateRevocationReason): Promise<void>
  /** Publishes lists of today: without one nobody takes a certificate. */
  publishLists(): Promise<void>
}

const FILES = {
  root: 'root.pem',
  intermediate: 'intermediate.pem',
  rootList: 'root-list.pem',
  intermediateList: 'intermediate-list.pem',
} as const
const STATES = { root: 'authority-root-state', intermediate: 'authority-intermediate-state' } as const
const MAX_STATE_BYTES = 65_536

const stateSchema = z.strictObject({
  v: z.literal(1),
  listNumber: z.int().min(0),
  revoked: z.array(
    z.strictObject({
      serial: z.string().max(40),
      at: z.int(),
      reason: z.enum(['compromised', 'superseded', 'ended', 'withdrawn']),
    }),
  ),
})

/** What is open while one thing is done. */
interface Opened {
  readonly store: KeyStore
  readonly root: CertificateSigner
  readonly intermediate: CertificateSigner
}

/** Opens the keys, one process at a time, and closes them whatever happens. */
async function withKeys<T>(init: AuthorityInit, use: (opened: Opened) => Promise<T>): Promise<T> {
  const { directory, deviceKey: choice } = init
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const release = lockDirectory(directory)
  const opened: (Pick<DeviceKey, 'close'> | CertificateSigner)[] = []
  try {
    const paths = { directory, ...keyPaths(join(directory, 'keys')) }
    const deviceKey = await openDeviceKey(choice, paths, systemRandom)
    opened.push(deviceKey)
    const store = await openKeyStore({ directory: paths.secrets, deviceKey, random: systemRandom })
    const signers: CertificateSigner[] = []
    for (const name of ['root', 'intermediate']) {
      const signer = await openSigner(choice, store, name)
      opened.push(signer)
      signers.push(signer)
    }
    const [root, intermediate] = signers as [CertificateSigner, CertificateSigner]
    return await use({ store, root, intermediate })
  } finally {
    for (const part of opened.reverse()) await part.close()
    release()
  }
}

function openSigner(choice: DeviceKeyChoice, store: KeyStore, name: string): Promise<CertificateSigner> {
  if (choice.provider !== 'pkcs11') return openSoftwareSigner(store, `authority-${name}`)
  return openPkcs11Signer({
    module: choice.module,
    tokenLabel: choice.token,
    pin: () => readSecretFile(choice.pinFile),
    keyLabel: `askee authority ${name}`,
    random: systemRandom,
  })
}

/**
 * Makes an authority: a root, an intermediate, and their first lists.
 * @param name of the organisation, at most 40 characters
 * @throws AskeeError `agent/authority-exists`, and what opening the keys throws
 */
export async function initAuthority(init: AuthorityInit & { readonly name: string }): Promise<void> {
  const { directory, name } = init
  await withKeys(init, async (opened) => {
    if (existsSync(join(directory, FILES.root))) {
      throw new AskeeError(
        'agent/authority-exists',
        `${directory} holds an authority already, and its root is not replaced. Choose an empty directory.`,
      )
    }
    const parts = { clock: systemClock, random: systemRandom }
    const signer = opened.root
    const root = await issueRoot(parts, signer, { name })
    const parent = { signer, certificate: root }
    const intermediate = await issueIntermediate(parts, parent, opened.intermediate, { name })
    await authorityOf(directory, opened, { root, intermediate }).publishLists()
    writeDurably(join(directory, FILES.intermediate), Buffer.from(toPem(intermediate)))
    // The last: where it stands, everything does.
    writeDurably(join(directory, FILES.root), Buffer.from(toPem(root)))
  })
}

/**
 * Opens an authority for one thing, and closes it again.
 * @throws AskeeError `agent/no-authority`, `store/in-use`, `keys/*`
 */
export async function openAuthority<T>(
  init: AuthorityInit,
  use: (authority: OpenAuthority) => Promise<T>,
): Promise<T> {
  // Before anything is made: a mistyped directory must not become one.
  const [root, intermediate] = await Promise.all([
    publishedFile(init.directory, 'root', 'CERTIFICATE'),
    publishedFile(init.directory, 'intermediate', 'CERTIFICATE'),
  ])
  return withKeys(init, (opened) => use(authorityOf(init.directory, opened, { root, intermediate })))
}

/**
 * What an authority published into its folder; no key is needed.
 * @throws AskeeError `agent/no-authority`, `certificate/malformed`
 */
async function readAuthority(directory: string): Promise<PublishedAuthority> {
  return {
    root: await publishedFile(directory, 'root', 'CERTIFICATE'),
    intermediate: await publishedFile(directory, 'intermediate', 'CERTIFICATE'),
    lists: {
      root: await publishedFile(directory, 'rootList', 'X509 CRL'),
      intermediate: await publishedFile(directory, 'intermediateList', 'X509 CRL'),
    },
  }
}

/**
 * Verifies a node's certificate by what an authority published.
 * @param pem certificate of the node
 * @param capability that it must have
 * @throws AskeeError with a CertificateErrorCode, `agent/no-authority`
 */
export async function verifyIssued(
  directory: string,
  pem: string,
  capability?: Capability,
): Promise<VerifiedCertificate> {
  const { root, intermediate, lists } = await readAuthority(directory)
  const chain = { node: fromPem(pem, 'CERTIFICATE'), intermediate }
  return verifyNodeCertificate(chain, { root, lists, now: systemClock.now() }, capability)
}

async function publishedFile(
  directory: string,
  name: keyof typeof FILES,
  kind: 'CERTIFICATE' | 'X509 CRL',
): Promise<Uint8Array> {
  const path = join(directory, FILES[name])
  const text = await readFile(path, 'latin1').catch((cause: unknown) => {
    throw new AskeeError(
      'agent/no-authority',
      `${path} cannot be read. Make an authority there with askee authority init.`,
      { path },
      { cause },
    )
  })
  return fromPem(text, kind)
}

function authorityOf(
  directory: string,
  { store, root, intermediate }: Opened,
  certificates: Pick<PublishedAuthority, 'root' | 'intermediate'>,
): OpenAuthority {
  const open = async (
    which: 'root' | 'intermediate',
    allowed: readonly Capability[] = [],
  ): Promise<Authority> => {
    const name = STATES[which]
    const kept = await store.read(name)
    const start = kept === undefined ? undefined : decode(kept, stateSchema, MAX_STATE_BYTES)
    return createAuthority(
      {
        clock: systemClock,
        random: systemRandom,
        signer: which === 'root' ? root : intermediate,
        certificate: certificates[which],
        grant: () => allowed,
        keep: (state: AuthorityState) => store.replace(name, encode({ ...state, v: 1 })),
        ...(which === 'intermediate' ? { keepRevokedFor: NODE_REVOCATION_LIFE } : {}),
      },
      start,
    )
  }
  const publish = (file: string, list: Uint8Array): void =>
    writeDurably(join(directory, file), Buffer.from(listToPem(list)))

  return {
    async issue(request, allowed) {
      const certificate = await (await open('intermediate', allowed)).issue(request)
      const { serialNumber, validToDate } = new X509Certificate(certificate)
      return {
        pem: toPem(certificate, certificates.intermediate),
        serial: serialNumber.toLowerCase(),
        notAfter: validToDate.getTime(),
      }
    },
    async revoke(serial, reason) {
      publish(FILES.intermediateList, await (await open('intermediate')).revoke(serial, reason))
    },
    async publishLists() {
      publish(FILES.rootList, await (await open('root')).revocationList())
      publish(FILES.intermediateList, await (await open('intermediate')).revocationList())
    },
  }
}
