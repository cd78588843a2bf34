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

/** A node's private key as text, for the TLS context of this process. Never write it down. */
export function identityToPem(identity: Identity): string {
  return pem('PRIVATE KEY', [Buffer.concat([PKCS8_PREFIX, identity.exportSeed()])])
}
