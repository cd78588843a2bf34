import { AskeeError } from '@askee/core'
import type { Identity } from '../identity.ts'
import type { Certificate } from './issue.ts'

const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Certificates as text (RFC 7468), as TLS libraries and people's tools want them. */
export function toPem(...certificates: readonly Certificate[]): string {
  return pem('CERTIFICATE', certificates)
}

/** A list of revoked certificates as text. */
export function listToPem(list: Uint8Array): string {
  return pem('X509 CRL', [list])
}

function pem(label: string, parts: readonly Uint8Array[]): string {
  return parts
    .map((der) => {
      const lines =
        Buffer.from(der)
          .toString('base64')
          .match(/.{1,64}/g) ?? []
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
    })
    .join('')
}

/** A list of 20,000 as text; no certificate comes near. */
const MAX_PEM_CHARACTERS = 1_500_000

/**
 * The first certificate or list in a text.
 * @throws AskeeError `certificate/malformed`, `certificate/too-large`
 */
export function fromPem(text: string, kind: 'CERTIFICATE' | 'X509 CRL'): Uint8Array {
  if (text.length > MAX_PEM_CHARACTERS) {
    throw new AskeeError('certificate/too-large', `expected at most ${MAX_PEM_CHARACTERS} characters`)
  }
  const begin = `-----BEGIN ${kind}-----`
  const start = text.indexOf(begin)
  const end = text.indexOf(`-----END ${kind}-----`, start)
  const body = start < 0 || end < 0 ? '' : text.slice(start + begin.length, end).replace(/\s/g, '')
  const der = Buffer.from(body, 'base64')
  if (der.byteLength > 0 && der.toString('base64') === body) return new Uint8Array(der)
  throw new AskeeError('certificate/malformed', `expected "${begin}" and base64 below it`)
}

/** A node's private key as text, for the TLS context of this process. Never write it down. */
export function identityToPem(identity: Identity): string {
  return pem('PRIVATE KEY', [Buffer.concat([PKCS8_PREFIX, identity.exportSeed()])])
}
