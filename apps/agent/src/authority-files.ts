import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, type Timestamp } from '@askee/core'
import { type Certificate, fromPem, NODE_REVOCATION_LIFE } from '@askee/keys/authority'

/**
 * Whose certificate, list or key. Intermediates are counted from 1, and the first goes without its number: none ever takes the
 * place of another, so a renewal that is broken off leaves what was there.
 */
export type AuthorityName = 'root' | 'intermediate' | `intermediate-${number}`

export interface Intermediate {
  readonly name: AuthorityName
  readonly ordinal: number
  readonly certificate: Certificate
}

/** The certificates of an authority. */
export interface AuthorityCertificates {
  readonly root: Certificate
  /** By their ordinals; the last one signs for nodes. */
  readonly intermediates: readonly [Intermediate, ...Intermediate[]]
}

export function intermediateName(ordinal: number): AuthorityName {
  return ordinal === 1 ? 'intermediate' : `intermediate-${ordinal}`
}

export function certificatePath(directory: string, which: AuthorityName): string {
  return join(directory, `${which}.pem`)
}

export function listPath(directory: string, which: AuthorityName): string {
  return join(directory, `${which}-list.pem`)
}

/** In hexadecimal, as lists have it. */
export function serialOf(certificate: Certificate): string {
  return new X509Certificate(certificate).serialNumber.toLowerCase()
}

/** The one that signs for nodes. */
export function newestOf({ intermediates }: Pick<AuthorityCertificates, 'intermediates'>): Intermediate {
  return intermediates.at(-1) as Intermediate
}

/**
 * The intermediates whose lists somebody needs: whose certificates of nodes may still be valid.
 * @param revoked serial numbers on the root's list
 */
export function stillListed(
  { intermediates }: Pick<AuthorityCertificates, 'intermediates'>,
  revoked: ReadonlySet<string>,
  now: Timestamp,
): readonly Intermediate[] {
  return intermediates.filter(({ certificate }, index) => {
    const next = intermediates[index + 1]?.certificate
    const since = next === undefined ? now : new X509Certificate(next).validFromDate.getTime()
    return now < since + NODE_REVOCATION_LIFE && !revoked.has(serialOf(certificate))
  })
}

/**
 * The certificates in a folder. Read before anything is made: a mistyped directory must not become one.
 * @throws AskeeError `agent/no-authority`, `certificate/malformed`
 */
export async function certificatesOf(directory: string): Promise<AuthorityCertificates> {
  const root = await publishedFile(directory, certificatePath(directory, 'root'), 'CERTIFICATE')
  const [first, ...others] = await intermediatesOf(directory)
  if (first === undefined) throw noAuthority(directory, certificatePath(directory, 'intermediate'))
  return { root, intermediates: [first, ...others] }
}

/** The intermediates in a folder, by their ordinals; none where there is no folder. */
export async function intermediatesOf(directory: string): Promise<readonly Intermediate[]> {
  const files = existsSync(directory) ? await readdir(directory) : []
  const ordinals = files.flatMap((file) => {
    const [, digits] = /^intermediate(?:-([1-9][0-9]{0,5}))?\.pem$/.exec(file) ?? []
    const ordinal = Number(digits ?? 1)
    return file === `${intermediateName(ordinal)}.pem` ? [ordinal] : []
  })
  return Promise.all(
    ordinals
      .sort((a, b) => a - b)
      .map(async (ordinal) => {
        const name = intermediateName(ordinal)
        const path = certificatePath(directory, name)
        return { name, ordinal, certificate: await publishedFile(directory, path, 'CERTIFICATE') }
      }),
  )
}

/**
 * What an authority published as text.
 * @throws AskeeError `agent/no-authority`, `certificate/malformed`
 */
export async function publishedFile(
  directory: string,
  path: string,
  kind: 'CERTIFICATE' | 'X509 CRL',
): Promise<Uint8Array> {
  const text = await readFile(path, 'latin1').catch((cause: unknown) => {
    throw noAuthority(directory, path, cause)
  })
  return fromPem(text, kind)
}

function noAuthority(directory: string, path: string, cause?: unknown): AskeeError {
  const advice = existsSync(join(directory, 'keys'))
    ? `Its keys are there: put root.pem, the intermediates' certificates and the newest lists that were published back into ${directory}, and go on from them: askee authority recover ${directory}. Where nothing was published yet, because its init was broken off: askee authority init --take-keys`
    : 'Make an authority there with askee authority init.'
  return new AskeeError('agent/no-authority', `${path} cannot be read. ${advice}`, { path }, { cause })
}
