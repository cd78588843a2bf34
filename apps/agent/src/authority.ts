import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { AskeeError, errorCode, errorText, systemClock, systemRandom } from '@askee/core'
import {
  type AuthorityState,
  type Certificate,
  type CertificateRevocationReason,
  type CertificateSigner,
  issueIntermediate,
  issueRoot,
  toPem,
} from '@askee/keys/authority'
import { writeDurably } from '@askee/store'
import {
  type AuthorityCertificates,
  type AuthorityName,
  certificatePath,
  certificatesOf,
  type Intermediate,
  intermediateName,
  intermediatesOf,
  newestOf,
  serialOf,
  stillListed,
} from './authority-files.ts'
import {
  type AuthorityInit,
  assertKeyOf,
  newIntermediateKey,
  type OpenKeys,
  withAuthorityKeys,
} from './authority-keys.ts'
import { type ListPlace, lastPublished, publishedRevoked, recoverFrom, takeOver } from './authority-lists.ts'
import { authorityOf, type OpenAuthority } from './authority-open.ts'

export type { IssuedCertificate, OpenAuthority } from './authority-open.ts'
export { verifyIssued } from './authority-verify.ts'
export type { AuthorityInit }

const parts = { clock: systemClock, random: systemRandom }

/** What an authority goes on from. */
export interface RecoveredAuthority {
  /** Numbers of the lists that it published now, and how many certificates stand on them. */
  readonly root: { readonly number: number; readonly revoked: number }
  /** The number of the newest, and how many certificates of nodes stand on all that still have a list. */
  readonly intermediate: { readonly number: number; readonly revoked: number }
}

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
    if (existsSync(certificatePath(directory, 'root'))) throw authorityExists(directory)
    const signer = await opened.signer('root').catch((error: unknown) => refuseHeld(error, directory))
    await opened.signer('intermediate').catch((error: unknown) => refuseHeld(error, directory))
    const kept = await intermediatesOf(directory)
    if (keys === 'new' && kept.length > 0) throw authorityExists(directory)
    const root = await issueRoot(parts, signer, { name })
    const [first, ...others] = kept
    // One that has its certificate already gets no other: the root may have revoked it.
    for (const { certificate } of kept) assertIssuedBy(root, certificate, directory)
    const intermediates: AuthorityCertificates['intermediates'] =
      first === undefined
        ? [await makeIntermediate(opened, { signer, certificate: root }, 1)]
        : [first, ...others]
    const start = async (place: ListPlace): Promise<AuthorityState> => {
      if (keys === 'new') return { listNumber: 0, revoked: [] }
      const state = await takeOver(place, systemClock.now())
      if (place.which === 'root' && first === undefined && state.revoked.length > 0) {
        throw intermediatesLost(directory)
      }
      return state
    }
    await authorityOf(directory, opened, { root, intermediates }, start).publishLists()
    if (first === undefined) publishCertificate(directory, 'intermediate', intermediates[0].certificate)
    // The last: where it stands, everything does.
    publishCertificate(directory, 'root', root)
  })
}

async function makeIntermediate(
  opened: OpenKeys,
  root: { readonly signer: CertificateSigner; readonly certificate: Certificate },
  ordinal: number,
): Promise<Intermediate> {
  const name = intermediateName(ordinal)
  const certificate = await issueIntermediate(parts, root, await opened.signer(name), { ordinal })
  return { name, ordinal, certificate }
}

function publishCertificate(directory: string, which: AuthorityName, certificate: Certificate): void {
  writeDurably(certificatePath(directory, which), Buffer.from(toPem(certificate)))
}

function assertIssuedBy(root: Certificate, certificate: Certificate, directory: string): void {
  const [above, below] = [new X509Certificate(root), new X509Certificate(certificate)]
  if (below.issuer === above.subject && below.verify(above.publicKey)) return
  throw new AskeeError(
    'agent/authority-key',
    `an intermediate in ${directory} is of another root or name than the one to be made. Give the name and keys of before, or choose an empty directory.`,
    { directory },
  )
}

function authorityExists(directory: string): AskeeError {
  return new AskeeError(
    'agent/authority-exists',
    `${directory} holds an authority already, and it is not replaced. Choose an empty directory.`,
    { directory },
  )
}

function intermediatesLost(directory: string): AskeeError {
  return new AskeeError(
    'agent/authority-list-older',
    `the root's list in ${directory} has revoked intermediates, and none of their certificates is there: a new one could be for a key that was revoked. Put root.pem and the intermediates' certificates that were published back, and go on from them: askee authority recover ${directory}`,
    { directory },
  )
}

function refuseHeld(error: unknown, directory: string): never {
  if (errorCode(error) !== 'keys/key-held') throw error
  throw new AskeeError(
    'agent/authority-keys-held',
    `${errorText(error)}. They belong to an authority whose folder is elsewhere: go on there. Where that folder is lost, put root.pem, the intermediates' certificates and the newest lists that were published into ${directory}, and go on from them: askee authority recover ${directory}. After an init that was broken off: askee authority init --take-keys`,
    { directory },
    { cause: error },
  )
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
  const { root, intermediates } = certificates
  return withAuthorityKeys(init, 'held', async (opened) => {
    const placeOf = (which: AuthorityName, issuer: Certificate): ListPlace => {
      return { directory, which, store: opened.store, issuer }
    }
    const now = systemClock.now()
    const above = placeOf('root', root)
    const from = new Map<AuthorityName, AuthorityState>([['root', await recoverFrom(above, now, loss)]])
    const revoked = new Set(from.get('root')?.revoked.map(({ serial }) => serial))
    const listed = stillListed({ intermediates }, revoked, now)
    for (const { name, certificate } of listed) {
      from.set(name, await recoverFrom(placeOf(name, certificate), now, loss))
    }
    const start = async ({ which }: ListPlace): Promise<AuthorityState> => from.get(which) as AuthorityState
    await authorityOf(directory, opened, certificates, start).publishLists()
    const states = await Promise.all(
      listed.map(({ name, certificate }) => lastPublished(placeOf(name, certificate))),
    )
    return {
      root: { number: (await lastPublished(above)).listNumber, revoked: revoked.size },
      intermediate: {
        number: states.at(-1)?.listNumber ?? 0,
        revoked: states.reduce((sum, state) => sum + state.revoked.length, 0),
      },
    }
  })
}

/** A new intermediate, and the one before it. */
export interface RenewedIntermediate {
  /** In hexadecimal; milliseconds since 1970. */
  readonly serial: string
  readonly notAfter: number
  /** Of its certificate and its list. */
  readonly name: string
  readonly old: { readonly serial: string; readonly isRevoked: boolean }
}

/**
 * Makes a new intermediate, with a key of its own, under the root. The one before it issues no more; its list is published for
 * as long as its certificates live, unless it is revoked: then they are refused at once.
 * @param init.revokeOld why the one before it is revoked; default: it is not
 * @throws AskeeError `agent/no-authority`, `agent/authority-key`, `store/in-use`, `keys/*`, and what going on from the lists
 * throws
 */
export async function renewIntermediate(
  init: AuthorityInit & { readonly revokeOld?: CertificateRevocationReason },
): Promise<RenewedIntermediate> {
  const { directory, revokeOld } = init
  const certificates = await certificatesOf(directory)
  const { root, intermediates } = certificates
  return withAuthorityKeys(init, 'held', async (opened) => {
    const signer = await opened.signer('root')
    assertKeyOf(root, signer, certificatePath(directory, 'root'))
    const old = newestOf(certificates)
    const serial = serialOf(old.certificate)
    const before = authorityOf(directory, opened, certificates, lastPublished)
    // First: when what follows is broken off, it is still the newest, and the same command does the same again.
    if (revokeOld !== undefined) await before.revoke(serial, revokeOld)
    const ordinal = await newIntermediateKey(opened, old.ordinal + 1)
    const made = await makeIntermediate(opened, { signer, certificate: root }, ordinal)
    const start = async (): Promise<AuthorityState> => ({ listNumber: 0, revoked: [] })
    const after = { root, intermediates: [...intermediates, made] as const }
    await authorityOf(directory, opened, after, start).publishList(made.name)
    // The last: where it stands, it signs for nodes.
    publishCertificate(directory, made.name, made.certificate)
    const place = { directory, which: 'root' as const, issuer: root }
    return {
      serial: serialOf(made.certificate),
      notAfter: new X509Certificate(made.certificate).validToDate.getTime(),
      name: made.name,
      old: { serial, isRevoked: (await publishedRevoked(place)).has(serial) },
    }
  })
}
