import type { Certificate } from './issue.ts'

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
