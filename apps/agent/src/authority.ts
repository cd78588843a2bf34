import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, errorCode, errorText, systemClock, systemRandom } from '@askee/core'
import {
  type Authority,
  type AuthorityState,
  type Capability,
  type Certificate,
  type CertificateRevocationReason,
  createAuthority,
  fromPem,
  issueIntermediate,
  issueRoot,
  LIST_LIFE,
  NODE_REVOCATION_LIFE,
  toPem,
  type VerifiedCertificate,
  verifyNodeCertificate,
} from '@askee/keys/authority'
import { writeDurably } from '@askee/store'
import { type AuthorityInit, assertKeyOf, type OpenKeys, withAuthorityKeys } from './authority-keys.ts'
import {
  type AuthorityName,
  LIST_FILES,
  type ListPlace,
  lastPublished,
  publishedUntil,
  publishList,
  recoverFrom,
  takeOver,
} from './authority-lists.ts'

export type { AuthorityInit }

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
   * Needs the key of the intermediate alone, whose list is written anew when half of its day is over.
   * @param request of a node, at most five minutes old
   * @param allowed what it gets of the capabilities that it asks for
   * @throws AskeeError `certificate/request`, `agent/authority-root-list` when the root's list is not of today: nobody
   * would take the certificate, `codec/*`, `signature/*`
   */
  issue(request: Uint8Array, allowed: readonly Capability[]): Promise<IssuedCertificate>
  /**
   * Revokes, and publishes the new list.
   * @param origin `any`: also a number that this authority cannot tell to be its own
   * @throws AskeeError `certificate/serial`, `certificate/unknown-serial`, `certificate/list-full`
   */
  revoke(serial: string, reason: CertificateRevocationReason, origin?: 'own' | 'any'): Promise<void>
  /** Publishes lists of today: without one nobody takes a certificate. Signed by the root too. */
  publishLists(): Promise<void>
}

/** What an authority goes on from. */
export interface RecoveredAuthority {
  /** Numbers of the lists that it published now, and how many certificates stand on them. */
  readonly root: { readonly number: number; readonly revoked: number }
  readonly intermediate: { readonly number: number; readonly revoked: number }
}

const FILES = {
  root: 'root.pem',
  intermediate: 'intermediate.pem',
  rootList: LIST_FILES.root,
  intermediateList: LIST_FILES.intermediate,
} as const

/**
 * Makes an authority: a root, an intermediate, and their first lists.
 * @param init.name of the organisation, at most 40 characters
 * @param init.keys `take`: uses keys that are there already, as after an init that was broken off; where a list of theirs is
 * known it goes on, with all that was revoked. Default `new`: refuses them, for they are of an authority in another folder
 * @throws AskeeError `agent/authority-exists`, `agent/authority-keys-held`, `agent/authority-list-older` when lists are known
 * and not there, and what opening the keys throws
 */
export async function initAuthority(
  init: AuthorityInit & { readonly name: string; readonly keys?: 'new' | 'take' },
): Promise<void> {
  const { directory, name, keys = 'new' } = init
  await withAuthorityKeys(init, keys === 'new' ? 'new' : 'either', async (opened) => {
    if (existsSync(join(directory, FILES.root))) {
      throw new AskeeError(
        'agent/authority-exists',
        `${directory} holds an authority already, and its root is not replaced. Choose an empty directory.`,
      )
    }
    const parts = { clock: systemClock, random: systemRandom }
    const signer = await opened.signer('root').catch((error: unknown) => refuseHeld(error, directory))
    const below = await opened.signer('intermediate').catch((error: unknown) => refuseHeld(error, directory))
    const root = await issueRoot(parts, signer, { name })
    const parent = { signer, certificate: root }
    const intermediate = await issueIntermediate(parts, parent, below, { name })
    const start = async (place: ListPlace): Promise<AuthorityState> =>
      keys === 'new' ? { listNumber: 0, revoked: [] } : takeOver(place, systemClock.now())
    await authorityOf(directory, opened, { root, intermediate }, start).publishLists()
    writeDurably(join(directory, FILES.intermediate), Buffer.from(toPem(intermediate)))
    // The last: where it stands, everything does.
    writeDurably(join(directory, FILES.root), Buffer.from(toPem(root)))
  })
}

function refuseHeld(error: unknown, directory: string): never {
  if (errorCode(error) !== 'keys/key-held') throw error
  throw new AskeeError(
    'agent/authority-keys-held',
    `${errorText(error)}. They belong to an authority whose folder is elsewhere: go on there. Where that folder is lost, put root.pem, intermediate.pem and the newest lists that were published into ${directory}, and go on from them: askee authority recover ${directory}. After an init that was broken off: askee authority init --take-keys`,
    { directory },
    { cause: error },
  )
}

/** The certificates in a folder. Read before anything is made: a mistyped directory must not become one. */
async function certificatesOf(directory: string): Promise<Pick<PublishedAuthority, 'root' | 'intermediate'>> {
  const [root, intermediate] = await Promise.all([
    publishedFile(directory, 'root', 'CERTIFICATE'),
    publishedFile(directory, 'intermediate', 'CERTIFICATE'),
  ])
  return { root, intermediate }
}

/**
 * Opens an authority for one thing, and closes it again.
 * @throws AskeeError `agent/no-authority`, `agent/authority-state-missing` and `agent/authority-list-older` when it cannot
 * tell what it revoked, `agent/authority-key`, `store/in-use`, `keys/*`
 */
export async function openAuthority<T>(
  init: AuthorityInit,
  use: (authority: OpenAuthority) => Promise<T>,
): Promise<T> {
  const certificates = await certificatesOf(init.directory)
  return withAuthorityKeys(init, 'held', (opened) =>
    use(authorityOf(init.directory, opened, certificates, lastPublished)),
  )
}

/**
 * Goes on from the lists that stand in the folder, as their owner says that they are the newest: after the folder, or what it
 * knew of its lists, was lost.
 * @param init.loss `accept`: also from older lists, or none
 * @throws AskeeError `agent/no-authority`, `agent/authority-list-older`, `agent/authority-key`, `store/in-use`, `keys/*`
 */
export async function recoverAuthority(
  init: AuthorityInit & { readonly loss?: 'refuse' | 'accept' },
): Promise<RecoveredAuthority> {
  const { directory, loss = 'refuse' } = init
  const certificates = await certificatesOf(directory)
  return withAuthorityKeys(init, 'held', async (opened) => {
    const from = new Map<AuthorityName, AuthorityState>()
    for (const which of ['root', 'intermediate'] as const) {
      const place = { directory, which, store: opened.store, issuer: certificates[which] }
      from.set(which, await recoverFrom(place, systemClock.now(), loss))
    }
    const start = async ({ which }: ListPlace): Promise<AuthorityState> => from.get(which) as AuthorityState
    await authorityOf(directory, opened, certificates, start).publishLists()
    const [root, intermediate] = await Promise.all(
      (['root', 'intermediate'] as const).map(async (which) => {
        const place = { directory, which, store: opened.store, issuer: certificates[which] }
        const { listNumber, revoked } = await lastPublished(place)
        return { number: listNumber, revoked: revoked.length }
      }),
    )
    return { root, intermediate } as RecoveredAuthority
  })
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
    const advice = existsSync(join(directory, 'keys'))
      ? `Its keys are there: put root.pem, intermediate.pem and the newest lists that were published back into ${directory}, and go on from them: askee authority recover ${directory}. Where nothing was published yet, because its init was broken off: askee authority init --take-keys`
      : 'Make an authority there with askee authority init.'
    throw new AskeeError('agent/no-authority', `${path} cannot be read. ${advice}`, { path }, { cause })
  })
  return fromPem(text, kind)
}

function authorityOf(
  directory: string,
  { store, signer }: OpenKeys,
  certificates: Pick<PublishedAuthority, 'root' | 'intermediate'>,
  startOf: (place: ListPlace) => Promise<AuthorityState>,
): OpenAuthority {
  const placeOf = (which: AuthorityName): ListPlace => ({
    directory,
    which,
    store,
    issuer: certificates[which],
  })
  const open = async (which: AuthorityName, allowed: readonly Capability[] = []): Promise<Authority> => {
    const place = placeOf(which)
    const start = await startOf(place)
    const key = await signer(which)
    assertKeyOf(certificates[which], key, join(directory, FILES[which]))
    return createAuthority(
      {
        clock: systemClock,
        random: systemRandom,
        signer: key,
        certificate: certificates[which],
        grant: () => allowed,
        keep: (state, list) => publishList(place, state, list),
        ...(which === 'intermediate' ? { keepRevokedFor: NODE_REVOCATION_LIFE } : {}),
      },
      start,
    )
  }

  return {
    async issue(request, allowed) {
      const now = systemClock.now()
      if ((await publishedUntil(placeOf('root'), now)) <= now) throw rootListOver(directory)
      const authority = await open('intermediate', allowed)
      const certificate = await authority.issue(request)
      if ((await publishedUntil(placeOf('intermediate'), now)) <= now + LIST_LIFE / 2) {
        await authority.revocationList()
      }
      const { serialNumber, validToDate } = new X509Certificate(certificate)
      return {
        pem: toPem(certificate, certificates.intermediate),
        serial: serialNumber.toLowerCase(),
        notAfter: validToDate.getTime(),
      }
    },
    async revoke(serial, reason, origin) {
      await (await open('intermediate')).revoke(serial, reason, origin)
    },
    async publishLists() {
      for (const which of ['root', 'intermediate'] as const) await (await open(which)).revocationList()
    },
  }
}

function rootListOver(directory: string): AskeeError {
  return new AskeeError(
    'agent/authority-root-list',
    `the root's list in ${directory} is not of today, so nobody would take the certificate. Write it anew, with the root's key: askee authority lists ${directory}`,
    { directory },
  )
}
