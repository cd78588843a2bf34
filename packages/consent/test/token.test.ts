import { createHash, createHmac, randomBytes } from 'node:crypto'
import { systemRandom } from '@askee/core'
import { createIdentity, nodeIdFromPublicKey } from '@askee/keys'
import { CompactSign, compactVerify, generateKeyPair, importJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { verifyConsent } from '../src/index.ts'
import { toPayload } from '../src/token/claims.ts'
import {
  codeOf,
  expected,
  forged,
  granted,
  NOW,
  node,
  requester,
  stranger,
  TERMS,
  volunteer,
} from './support.ts'

const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url')
const HEADER = { alg: 'EdDSA', typ: 'consent+jwt', kid: volunteer.id }

/** Signs a header and a payload given as texts, whatever they say. */
function signedText(header: string, payload: string, by = volunteer): string {
  const input = `${b64(header)}.${b64(payload)}`
  return `${input}.${b64(by.sign(Buffer.from(input)))}`
}

describe('consent token', () => {
  it('CON-2 carries every permission and survives the trip', () => {
    const { token, claims } = granted()
    expect(verifyConsent(token, expected, NOW)).toMatchObject(claims)
    expect(claims.permissions).toEqual(TERMS.permissions)
    expect(claims).toMatchObject({ purposes: TERMS.purposes, data: TERMS.data, maxRenewals: 3, epoch: 0 })
    expect(claims.expires - claims.issuedAt).toBe(TERMS.lifetime)
  })

  it('CON-2 says in its payload, by name, all that a consent token must say', () => {
    const { token, certificate } = granted()
    const payload = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
    expect(payload).toMatchObject({
      ver: 2,
      iss: volunteer.id,
      sub: node.id,
      aud: requester.id,
      iat: NOW / 1000,
      exp: (NOW + TERMS.lifetime) / 1000,
      resources: { cpu_percent_max: 50, ram_mb_max: 64, storage_gb_max: 1, bandwidth_mbps_max: 10 },
      tasks: { kinds: TERMS.permissions.tasks.kinds, min_reputation: 0, max_duration_hours: 1 },
      monitoring: { user_activity_yield: true, resource_monitoring: true, audit_logging: true },
      purpose: TERMS.purposes,
      policy_hash: 'ab'.repeat(32),
      status: { status_list: { idx: 7, uri: 'askee://list' } },
      rvk: createHash('sha256').update(certificate).digest('hex'),
    })
  })

  it('CON-2 is a JWS that an independent library verifies, and verifies one of that library', async () => {
    const { token, claims } = granted()
    const x = b64(volunteer.publicKey)
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA')
    const { payload } = await compactVerify(token, key, { algorithms: ['EdDSA'] })
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual(toPayload(claims))
    const d = b64(volunteer.exportSeed())
    const theirs = await new CompactSign(Buffer.from(JSON.stringify(toPayload(claims))))
      .setProtectedHeader(HEADER)
      .sign(await importJWK({ kty: 'OKP', crv: 'Ed25519', x, d }, 'EdDSA'))
    expect(theirs).toBe(token)
  })

  it('CON-4 refuses each kind of bad token with its own code', async () => {
    const { token, claims } = granted()
    const [header, payload, signature] = token.split('.') as [string, string, string]
    const claimsText = JSON.stringify(toPayload(claims))
    const headed = (change: object): string =>
      signedText(JSON.stringify({ ...HEADER, ...change }), claimsText)
    const resources = { ...toPayload(claims).resources, ram_mb_max: 9999 }
    const widened = b64(JSON.stringify({ ...toPayload(claims), resources }))
    const hs256 = b64(JSON.stringify({ ...HEADER, alg: 'HS256' }))
    const { privateKey } = await generateKeyPair('ES256')
    const es256 = await new CompactSign(Buffer.from(claimsText))
      .setProtectedHeader({ ...HEADER, alg: 'ES256' })
      .sign(privateKey)
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: b64(stranger.publicKey) }
    const twice = claimsText.replace('"aud":', `"aud":"${stranger.id}","aud":`)

    const table: readonly [what: string, token: string, code: string, now?: number, parties?: object][] = [
      // forged
      [
        'signed by somebody else',
        signedText(JSON.stringify(HEADER), claimsText, stranger),
        'consent/signature',
      ],
      ['widened payload under an old signature', `${header}.${widened}.${signature}`, 'consent/signature'],
      [
        'signature of another token',
        `${header}.${payload}.${granted().token.split('.')[2]}`,
        'consent/signature',
      ],
      ['signature cut', `${header}.${payload}.${signature.slice(0, 40)}`, 'consent/signature'],
      ['signature all zero', `${header}.${payload}.${b64(new Uint8Array(64))}`, 'consent/signature'],
      ['no signature', `${header}.${payload}.`, 'consent/signature'],
      ['another issuer than the key', forged({ iss: volunteer.id }, stranger), 'consent/header'],
      // confused algorithms
      [
        'algorithm none',
        `${b64(JSON.stringify({ ...HEADER, alg: 'none' }))}.${payload}.`,
        'consent/algorithm',
      ],
      [
        'HS256 keyed with the public key',
        `${hs256}.${payload}.${createHmac('sha256', volunteer.publicKey).update(`${hs256}.${payload}`).digest('base64url')}`,
        'consent/algorithm',
      ],
      ['ES256', es256, 'consent/algorithm'],
      ['algorithm in other letters', headed({ alg: 'eddsa' }), 'consent/algorithm'],
      ['algorithm as a list', headed({ alg: ['EdDSA'] }), 'consent/algorithm'],
      // keys and extensions in the header
      ['key inside the header', headed({ jwk }), 'consent/header'],
      ['key by address', headed({ jku: 'https://example.org/keys' }), 'consent/header'],
      ['certificate by address', headed({ x5u: 'https://example.org/c' }), 'consent/header'],
      ['critical extension', headed({ crit: ['b64'], b64: false }), 'consent/header'],
      ['kid of another key', headed({ kid: stranger.id }), 'consent/header'],
      ['kid that is a path', headed({ kid: '../../keys/owner.key' }), 'consent/header'],
      ['no kid', signedText('{"alg":"EdDSA","typ":"consent+jwt"}', claimsText), 'consent/header'],
      // mistyped
      ['type of any JWT', headed({ typ: 'JWT' }), 'consent/type'],
      [
        'no type',
        signedText(JSON.stringify({ alg: 'EdDSA', kid: volunteer.id }), claimsText),
        'consent/type',
      ],
      ['a manifest', headed({ typ: 'consent-manifest+jwt' }), 'consent/type'],
      ['a revocation certificate', granted().certificate, 'consent/type'],
      // versions
      ['version 1', forged({ ver: 1 }), 'consent/version'],
      ['a later version', forged({ ver: 3 }), 'consent/version'],
      ['version as text', forged({ ver: '2' }), 'consent/malformed'],
      // form
      ['a key twice', signedText(JSON.stringify(HEADER), twice), 'consent/malformed'],
      [
        'a header key twice',
        signedText(`{"alg":"none",${JSON.stringify(HEADER).slice(1)}`, claimsText),
        'consent/malformed',
      ],
      ['spaces in the JSON', signedText(JSON.stringify(HEADER), ` ${claimsText}`), 'consent/malformed'],
      [
        'trailing bytes after the JSON',
        signedText(JSON.stringify(HEADER), `${claimsText}x`),
        'consent/malformed',
      ],
      ['a fourth part', `${token}.x`, 'consent/malformed'],
      ['a line end behind', `${token}\n`, 'consent/signature'],
      ['padding', `${header}.${payload}.${signature}==`, 'consent/signature'],
      ['padding in the payload', `${header}.${payload}=.${signature}`, 'consent/malformed'],
      ['no token', 'hello', 'consent/malformed'],
      ['nothing', '', 'consent/malformed'],
      ['huge', `${token}${'A'.repeat(10_000)}`, 'consent/malformed'],
      ['payload null', signedText(JSON.stringify(HEADER), 'null'), 'consent/malformed'],
      ['payload that is no object', signedText(JSON.stringify(HEADER), '"x"'), 'consent/malformed'],
      ['unknown field', forged({ extra: 1 }), 'consent/malformed'],
      [
        'prototype',
        signedText(JSON.stringify(HEADER), claimsText.replace('{', '{"__proto__":{},')),
        'consent/malformed',
      ],
      ['unknown kind', forged({ tasks: { kinds: ['mining'] } }), 'consent/malformed'],
      ['unknown category', forged({ data: ['everything'] }), 'consent/malformed'],
      ['another command', forged({ cmd: 'shell' }), 'consent/malformed'],
      ['no purpose', forged({ purpose: [] }), 'consent/malformed'],
      ['holder that is no key', forged({ cnf: { kid: 'me' } }), 'consent/malformed'],
      ['negative status', forged({ status: { status_list: { idx: -1, uri: 'x' } } }), 'consent/malformed'],
      ['endless renewals', forged({ max_renewals: 1e9 }), 'consent/malformed'],
      ['ends before it begins', forged({ exp: 1, nbf: 2 }), 'consent/malformed'],
      ['two parents', forged({ prf: [token, token] }), 'consent/malformed'],
      // parties
      ['another audience', token, 'consent/audience', NOW, { ...expected, audience: stranger.id }],
      ['another node', token, 'consent/subject', NOW, { ...expected, subject: stranger.id, holder: node.id }],
      ['another owner', token, 'consent/issuer', NOW, { ...expected, issuer: stranger.id }],
      ['replayed by another holder', token, 'consent/holder', NOW, { ...expected, holder: stranger.id }],
      // time
      ['expired', token, 'consent/expired', NOW + 3_600_000],
      ['not yet valid', token, 'consent/not-yet-valid', NOW - 120_000],
    ]
    for (const [what, bad, code, now = NOW, parties = expected] of table) {
      const verdict = codeOf(() => verifyConsent(bad, parties as typeof expected, now))
      expect([what, verdict]).toEqual([what, code])
    }
    expect(codeOf(() => verifyConsent(token, expected, NOW))).toBeUndefined()
  })

  it('CON-4 never throws anything but a coded error on hostile text', () => {
    const { token } = granted()
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(token)
      bytes[randomBytes(2).readUInt16BE() % bytes.length] = randomBytes(1)[0] as number
      const hostile = bytes.toString('latin1')
      if (hostile === token) continue
      expect(codeOf(() => verifyConsent(hostile, expected, NOW))).toMatch(/^consent\//)
    }
  })

  it('CON-4 takes no token of a key of small order, for which one signature fits many messages', () => {
    const neutral = Uint8Array.of(1, ...new Uint8Array(31))
    const id = nodeIdFromPublicKey(neutral)
    // The neutral point as key and as R, and S = 0: the equation of RFC 8032 without its checks holds for every message.
    const signature = Uint8Array.of(...neutral, ...new Uint8Array(32))
    const nobody = { ...createIdentity(systemRandom), id, sign: () => signature }
    const token = forged({}, nobody)
    expect(codeOf(() => verifyConsent(token, expected, NOW))).toBe('consent/signature')
  })

  it('CON-2 refuses to sign what is out of range', () => {
    expect(codeOf(() => granted({ lifetime: 1e12 }))).toBe('consent/limits')
    expect(codeOf(() => granted({ lifetime: Number.NaN }))).toBe('consent/limits')
    expect(codeOf(() => granted({ purposes: ['x'.repeat(501)] }))).toBe('consent/malformed')
    expect(codeOf(() => granted({ maxRenewals: 32 }))).toBe('consent/malformed')
    expect(requester.id).not.toBe(node.id)
  })
})
