import { fromUtf8, utf8 } from '@askee/core'
import { type Identity, publicKeyFromNodeId, verifySignature } from '@askee/keys'
import { refuse } from '../errors.ts'

/**
 * Compact JWS (RFC 7515) with EdDSA (RFC 8037), in one form only: the header is `{alg, typ, kid}`, `kid` is the
 * issuer's id and holds its key, both parts are JSON as `JSON.stringify` writes it, and base64url has no padding and no
 * stray bits. So a document has one spelling, nothing in it chooses a key or an algorithm, and the signature is checked
 * by the product's one verifier.
 */

/** What a document says of itself, before or after its signature was checked. */
export interface OpenedJws {
  /** `iss`, the key that must have signed. */
  readonly issuer: string
  readonly payload: unknown
  /**
   * Checks the signature.
   * @throws AskeeError `consent/signature`
   */
  verify(): void
}

const SEGMENT = /^[A-Za-z0-9_-]+$/
const HEADER_KEYS = ['alg', 'typ', 'kid']

/** Signs `payload` as a document of `type`; its `iss` is the signer. */
export function signJws(identity: Identity, type: string, payload: { readonly iss: string }): string {
  const header = { alg: 'EdDSA', typ: type, kid: identity.id }
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(payload))}`
  return `${input}.${Buffer.from(identity.sign(utf8(input))).toString('base64url')}`
}

/**
 * Takes a document apart. Nothing of it may be believed before `verify` was called, but its version may be looked at.
 * @throws AskeeError `consent/malformed` | `consent/type` | `consent/algorithm` | `consent/header`
 */
export function openJws(text: string, type: string, maxBytes: number): OpenedJws {
  if (text.length > maxBytes) {
    throw refuse('consent/malformed', `expected at most ${maxBytes} characters, received ${text.length}`)
  }
  const parts = text.split('.')
  if (parts.length !== 3) {
    throw refuse('consent/malformed', `expected a compact JWS of three parts, received ${parts.length}`)
  }
  const [head, body, signature] = parts as [string, string, string]
  checkHeader(jsonOf('header', head), type)
  const payload = jsonOf('payload', body)
  const issuer = (payload as { iss?: unknown } | null)?.iss
  if (typeof issuer !== 'string') throw refuse('consent/malformed', 'expected an issuer (iss)')
  const { kid } = jsonOf('header', head) as { kid: unknown }
  if (kid !== issuer) {
    throw refuse(
      'consent/header',
      `expected the key of the issuer ${issuer}, the header names ${String(kid)}`,
    )
  }
  return {
    issuer,
    payload,
    verify: () => {
      const valid =
        isSegment(signature) &&
        verifySignature(keyOf(issuer), utf8(`${head}.${body}`), Buffer.from(signature, 'base64url'))
      if (!valid) throw refuse('consent/signature', `the signature is not one of ${issuer}`)
    },
  }
}

function keyOf(issuer: string): Uint8Array {
  try {
    return publicKeyFromNodeId(issuer)
  } catch (cause) {
    throw refuse('consent/malformed', 'the issuer is no id of an Ed25519 key', {}, cause)
  }
}

function checkHeader(header: unknown, type: string): void {
  const fields = header as { alg?: unknown; typ?: unknown } | null
  if (fields?.typ !== type) {
    throw refuse('consent/type', `expected a document of type ${type}, received ${String(fields?.typ)}`)
  }
  if (fields.alg !== 'EdDSA') {
    throw refuse('consent/algorithm', `expected algorithm EdDSA, received ${String(fields.alg)}`)
  }
  const strange = Object.keys(fields).filter((key) => !HEADER_KEYS.includes(key))
  if (strange.length > 0) {
    throw refuse(
      'consent/header',
      `expected the header fields ${HEADER_KEYS.join(', ')} and no ${strange[0]}`,
    )
  }
}

/** JSON of one part. Written in any other way (a key twice, spaces, escapes) it is refused: JSON parsers differ. */
function jsonOf(what: string, segment: string): unknown {
  if (!isSegment(segment)) throw refuse('consent/malformed', `the ${what} is not base64url in its one form`)
  let value: unknown
  let text: string
  try {
    text = fromUtf8(Buffer.from(segment, 'base64url'))
    value = JSON.parse(text)
  } catch (cause) {
    throw refuse('consent/malformed', `the ${what} is not JSON`, {}, cause)
  }
  if (JSON.stringify(value) !== text) {
    throw refuse(
      'consent/malformed',
      `the ${what} is not JSON in its one form: a key twice, spaces or escapes`,
    )
  }
  return value
}

function isSegment(text: string): boolean {
  return SEGMENT.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
