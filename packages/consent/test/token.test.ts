import { createPrivateKey, randomBytes } from 'node:crypto'
import { errorCode, type NodeId, systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import { CompactSign, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { grantConsent, TASK_KINDS, verifyConsent } from '../src/index.ts'
import { toPayload } from '../src/token.ts'

const clock = new VirtualTime()
const volunteer = createIdentity(systemRandom)
const node = createIdentity(systemRandom)
const requester = createIdentity(systemRandom)
const stranger = createIdentity(systemRandom)

const permissions = {
  resources: { cpuPercentMax: 50, ramMbMax: 512, storageGbMax: 1, bandwidthMbpsMax: 10 },
  tasks: { kinds: TASK_KINDS, minReputation: 0, maxDurationHours: 1 },
  monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
}

const grant = () =>
  grantConsent(
    { volunteer, clock, random: systemRandom },
    {
      subject: node.id,
      audience: requester.id,
      lifetime: 3_600_000,
      permissions,
      purpose: 'counting primes',
      textDigest: 'ab'.repeat(32),
    },
  )

const expected = { subject: node.id, audience: requester.id }

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(() => undefined, errorCode)
}

async function forge(change: {
  payload?: Record<string, unknown>
  header?: Record<string, unknown>
  by?: Identity
}): Promise<string> {
  const { claims } = await grant()
  const by = change.by ?? volunteer
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), by.exportSeed()]),
    format: 'der',
    type: 'pkcs8',
  })
  return new CompactSign(
    new TextEncoder().encode(JSON.stringify({ ...toPayload(claims), ...change.payload })),
  )
    .setProtectedHeader({ alg: 'EdDSA', typ: 'consent+jwt', ...change.header })
    .sign(key)
}

describe('consent token', () => {
  it('CON-2 carries every permission and survives the trip', async () => {
    const { token, claims } = await grant()
    await expect(verifyConsent(token, expected, clock.now())).resolves.toEqual(claims)
    expect(claims.permissions).toEqual(permissions)
  })

  it('CON-4 refuses each kind of bad token with its own code', async () => {
    const { token, claims } = await grant()
    const [header, payload, signature] = token.split('.') as [string, string, string]
    const hmac = await new CompactSign(new TextEncoder().encode(JSON.stringify(toPayload(claims))))
      .setProtectedHeader({ alg: 'HS256', typ: 'consent+jwt' })
      .sign(new Uint8Array(volunteer.publicKey))
    const { privateKey } = await generateKeyPair('ES256')
    const otherAlgorithm = await new CompactSign(new TextEncoder().encode(JSON.stringify(toPayload(claims))))
      .setProtectedHeader({ alg: 'ES256', typ: 'consent+jwt' })
      .sign(privateKey)
    const none = `${Buffer.from('{"alg":"none","typ":"consent+jwt"}').toString('base64url')}.${payload}.`
    const widened = Buffer.from(
      JSON.stringify({
        ...toPayload(claims),
        resources: { ...toPayload(claims).resources, ram_mb_max: 9999 },
      }),
    ).toString('base64url')

    const table: [string, string, typeof expected, number, string][] = [
      ['signed by somebody else', await forge({ by: stranger }), expected, 0, 'consent/signature'],
      ['widened payload', `${header}.${widened}.${signature}`, expected, 0, 'consent/signature'],
      ['algorithm none', none, expected, 0, 'consent/signature'],
      ['HMAC keyed with the public key', hmac, expected, 0, 'consent/signature'],
      ['another algorithm', otherAlgorithm, expected, 0, 'consent/signature'],
      ['signature cut', `${header}.${payload}.${signature.slice(0, 40)}`, expected, 0, 'consent/signature'],
      ['another type', await forge({ header: { typ: 'JWT' } }), expected, 0, 'consent/type'],
      ['later version', await forge({ payload: { ver: 2 } }), expected, 0, 'consent/version'],
      ['unknown field', await forge({ payload: { extra: 1 } }), expected, 0, 'consent/malformed'],
      [
        'unknown kind',
        await forge({ payload: { tasks: { kinds: ['mining'] } } }),
        expected,
        0,
        'consent/malformed',
      ],
      ['issuer that is no key', await forge({ payload: { iss: 'me' } }), expected, 0, 'consent/malformed'],
      ['another audience', token, { ...expected, audience: stranger.id }, 0, 'consent/audience'],
      ['another node', token, { ...expected, subject: stranger.id }, 0, 'consent/subject'],
      ['another owner', token, { ...expected, issuer: stranger.id } as typeof expected, 0, 'consent/issuer'],
      ['expired', token, expected, 3_600_000, 'consent/expired'],
      ['not yet valid', token, expected, -120_000, 'consent/not-yet-valid'],
      ['no token', 'hello', expected, 0, 'consent/malformed'],
      ['oversize', 'a'.repeat(10_000), expected, 0, 'consent/malformed'],
    ]
    for (const [name, bad, parties, later, code] of table) {
      expect([name, await codeOf(verifyConsent(bad, parties, clock.now() + later))]).toEqual([name, code])
    }
  })

  it('CON-4 never throws anything but a coded error on hostile text', async () => {
    const { token } = await grant()
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(token)
      const at = randomBytes(1)[0] as number
      bytes[at % bytes.length] = randomBytes(1)[0] as number
      const hostile = bytes.toString('latin1')
      if (hostile === token) continue
      expect(await codeOf(verifyConsent(hostile, expected, clock.now()))).toMatch(/^consent\//)
    }
  })

  it('CON-2 refuses to sign what is out of range', async () => {
    const components = { volunteer, clock, random: systemRandom }
    const base = {
      subject: node.id,
      audience: requester.id,
      permissions,
      purpose: 'x',
      textDigest: 'ab'.repeat(32),
    }
    expect(await codeOf(grantConsent(components, { ...base, lifetime: 1e12 }))).toBe('consent/limits')
    expect(await codeOf(grantConsent(components, { ...base, lifetime: Number.NaN }))).toBe('consent/limits')
    expect(
      await codeOf(grantConsent(components, { ...base, lifetime: 10_000, audience: 'nobody' as NodeId })),
    ).toBe('consent/malformed')
  })
})
