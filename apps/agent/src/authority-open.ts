import { X509Certificate } from 'node:crypto'
import { AskeeError, systemClock, systemRandom } from '@askee/core'
import {
  type Authority,
  type AuthorityState,
  type Capability,
  type Certificate,
  type CertificateRevocationReason,
  createAuthority,
  isSerialOf,
  LIST_LIFE,
  NODE_REVOCATION_LIFE,
  toPem,
} from '@askee/keys/authority'
import {
  type AuthorityCertificates,
  type AuthorityName,
  certificatePath,
  newestOf,
  serialOf,
  stillListed,
} from './authority-files.ts'
import { assertKeyOf, type OpenKeys, publicKeyOf } from './authority-keys.ts'
import { type ListPlace, publishedRevoked, publishedUntil, publishList } from './authority-lists.ts'

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
   * @throws AskeeError `certificate/request`, `agent/authority-root-list` when the root's list is not of today and
   * `agent/authority-intermediate` when the intermediate is over or revoked: nobody would take the certificate, `codec/*`,
   * `signature/*`
   */
  issue(request: Uint8Array, allowed: readonly Capability[]): Promise<IssuedCertificate>
  /**
   * Revokes, and publishes the new list of who gave the certificate. That of an intermediate needs the root's key.
   * @param origin `any`: also a number that this authority cannot tell to be its own
   * @throws AskeeError `certificate/serial`, `certificate/unknown-serial`, `certificate/list-full`
   */
  revoke(serial: string, reason: CertificateRevocationReason, origin?: 'own' | 'any'): Promise<void>
  /** Publishes lists of today: without one nobody takes a certificate. Signed by the root too. */
  publishLists(): Promise<void>
  /** Publishes the list of one. */
  publishList(which: AuthorityName): Promise<void>
}

/** @param startOf what each goes on from */
export function authorityOf(
  directory: string,
  { store, signer }: OpenKeys,
  certificates: AuthorityCertificates,
  startOf: (place: ListPlace) => Promise<AuthorityState>,
): OpenAuthority {
  const { root, intermediates } = certificates
  const newest = newestOf(certificates)
  const all: readonly { readonly name: AuthorityName; readonly certificate: Certificate }[] = [
    { name: 'root', certificate: root },
    ...intermediates,
  ]
  const placeOf = (which: AuthorityName): ListPlace => {
    const issuer = all.find(({ name }) => name === which)?.certificate ?? root
    return { directory, which, store, issuer }
  }
  const open = async (which: AuthorityName, allowed: readonly Capability[] = []): Promise<Authority> => {
    const place = placeOf(which)
    const start = await startOf(place)
    const key = await signer(which)
    assertKeyOf(place.issuer, key, certificatePath(directory, which))
    return createAuthority(
      {
        clock: systemClock,
        random: systemRandom,
        signer: key,
        certificate: place.issuer,
        grant: () => allowed,
        keep: (state, list) => publishList(place, state, list),
        ...(which === 'root' ? {} : { keepRevokedFor: NODE_REVOCATION_LIFE }),
      },
      start,
    )
  }
  const listed = async () =>
    stillListed(certificates, await publishedRevoked(placeOf('root')), systemClock.now())
  /** Whose list that number belongs on. */
  const listsFor = async (serial: string, origin?: 'own' | 'any'): Promise<readonly AuthorityName[]> => {
    if (intermediates.some(({ certificate }) => serialOf(certificate) === serial)) return ['root']
    const giver = all.find(({ certificate }) => isSerialOf({ publicKey: publicKeyOf(certificate) }, serial))
    if (giver !== undefined && serial !== serialOf(root)) return [giver.name]
    // Whose it is cannot be told: it stands on all of them, or is refused by the one that is asked.
    return origin === 'any' ? (await listed()).map(({ name }) => name) : [newest.name]
  }
  const publishOne = async (which: AuthorityName) => void (await (await open(which)).revocationList())

  return {
    async issue(request, allowed) {
      const now = systemClock.now()
      if ((await publishedUntil(placeOf('root'), now)) <= now) throw rootListOver(directory)
      if ((await publishedRevoked(placeOf('root'))).has(serialOf(newest.certificate))) {
        throw intermediateOver(directory, 'is revoked')
      }
      const end = new X509Certificate(newest.certificate).validToDate
      if (end.getTime() <= now) throw intermediateOver(directory, `was valid until ${end.toISOString()}`)
      const authority = await open(newest.name, allowed)
      const certificate = await authority.issue(request)
      if ((await publishedUntil(placeOf(newest.name), now)) <= now + LIST_LIFE / 2) {
        await authority.revocationList()
      }
      return {
        pem: toPem(certificate, newest.certificate),
        serial: serialOf(certificate),
        notAfter: new X509Certificate(certificate).validToDate.getTime(),
      }
    },
    async revoke(given, reason, origin) {
      // As other programs print it: in capitals, with colons between the bytes.
      const serial = given.replaceAll(':', '').toLowerCase()
      const lists = await listsFor(serial, origin)
      // An intermediate of a version before this check is known by its certificate.
      const known = lists[0] === 'root' ? 'any' : origin
      for (const which of lists) await (await open(which)).revoke(serial, reason, known)
    },
    async publishLists() {
      await publishOne('root')
      for (const { name } of await listed()) await publishOne(name)
    },
    publishList: publishOne,
  }
}

function rootListOver(directory: string): AskeeError {
  return new AskeeError(
    'agent/authority-root-list',
    `the root's list in ${directory} is not of today, so nobody would take the certificate. Write it anew, with the root's key: askee authority lists ${directory}`,
    { directory },
  )
}

function intermediateOver(directory: string, why: string): AskeeError {
  return new AskeeError(
    'agent/authority-intermediate',
    `the intermediate of ${directory} ${why}, so nobody would take the certificate. Make a new one, with the root's key: askee authority renew-intermediate ${directory}`,
    { directory },
  )
}
