import { errorCode, systemRandom as random } from '@askee/core'
import { describe, expect, it } from 'vitest'
import {
  type Certificate,
  createAuthority,
  fromPem,
  listToPem,
  MAX_REVOKED,
  NODE_REVOCATION_LIFE,
  readRevocationList,
  verifyNodeCertificate,
} from '../src/authority/index.ts'
import { cryptoOf, SIGNING_ALGORITHM, SIGNING_KEY, x509 } from '../src/authority/library.ts'
import { createIdentity } from '../src/index.ts'
import { house } from './support/house.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'valid',
    (error: unknown) => errorCode(error) ?? String(error),
  )
}

describe('lists of revoked certificates', () => {
  it('KEY-3 a list forgets no revocation because of a clock that was wrong for a while', async () => {
    const at = await house()
    const wrong = { by: 0 }
    const authority = createAuthority({
      clock: { now: () => at.clock.now() + wrong.by, monotonic: () => at.clock.monotonic() },
      random,
      signer: at.signer,
      certificate: at.intermediate,
      grant: () => [],
      keep: async () => {},
      keepRevokedFor: NODE_REVOCATION_LIFE,
    })
    const code = async (node: Certificate) => {
      const trust = await at.trust()
      const lists = { root: trust.lists.root, intermediate: await authority.revocationList() }
      return codeOf(verifyNodeCertificate({ node, intermediate: at.intermediate }, { ...trust, lists }))
    }
    const revoke = async (node: Certificate) => {
      const { serialNumber } = new x509.X509Certificate(Uint8Array.from(node))
      await authority.revoke(serialNumber, 'compromised')
    }
    const [ahead, behind] = [await at.issue(createIdentity(random)), await at.issue(createIdentity(random))]
    await revoke(ahead)
    wrong.by = 5 * DAY
    await authority.revocationList()
    wrong.by = -5 * DAY
    await revoke(behind)
    wrong.by = 0
    expect(await code(ahead)).toBe('certificate/revoked')
    expect(await code(behind)).toBe('certificate/revoked')
  })

  it('KEY-3 refuses to revoke a number that it never gave, so that a mistyped one is seen', async () => {
    const [at, other] = [await house(), await house()]
    const serialOf = (certificate: Certificate): string =>
      new x509.X509Certificate(Uint8Array.from(certificate)).serialNumber
    const mine = serialOf(await at.issue(createIdentity(random)))
    for (let digit = 0; digit < mine.length; digit++) {
      const typed = mine.slice(0, digit) + (mine[digit] === '5' ? '6' : '5') + mine.slice(digit + 1)
      expect(await codeOf(at.authority.revoke(typed, 'ended')), `digit ${digit}`).toBe(
        'certificate/unknown-serial',
      )
    }
    const others = serialOf(await other.issue(createIdentity(random)))
    const odd = [others, mine.slice(2), `${mine}00`, serialOf(at.intermediate)]
    for (const serial of odd) {
      expect(await codeOf(at.authority.revoke(serial, 'ended')), serial).toBe('certificate/unknown-serial')
    }
    for (const serial of ['', 'x', '4', mine.toUpperCase().replace(/^/, 'A'), '0'.repeat(42)]) {
      expect(await codeOf(at.authority.revoke(serial, 'ended')), serial).toBe('certificate/serial')
    }
    expect(at.kept).toEqual([])
    await at.authority.revoke(mine, 'ended')
    await at.authority.revoke(others, 'ended', 'any')
    // Once on the list it stays there, by whatever way it came.
    await at.authority.revoke(others, 'compromised')
    expect(at.kept.at(-1)?.revoked.map(({ serial, reason }) => [serial, reason])).toEqual([
      [mine, 'ended'],
      [others, 'ended'],
    ])
  })

  it('KEY-3 a list says what it was made of, to who goes on from it', async () => {
    const at = await house()
    const certificate = await at.issue(createIdentity(random))
    const { serialNumber: serial } = new x509.X509Certificate(Uint8Array.from(certificate))
    const list = await at.authority.revoke(serial, 'superseded')
    const now = Math.floor(at.clock.now() / 1000) * 1000
    expect(readRevocationList(list, at.intermediate)).toEqual({
      number: 1,
      from: now,
      until: now + DAY,
      revoked: [{ serial, at: now, reason: 'superseded' }],
    })
    const code = (bytes: Uint8Array, issuer: Certificate): Promise<string> =>
      codeOf((async () => readRevocationList(bytes, issuer))())
    expect(await code(list, at.root)).toBe('certificate/list-signature')
    expect(await code(list.subarray(1), at.intermediate)).toBe('certificate/malformed')
    for (let byte = 0; byte < list.byteLength; byte++) {
      for (const bit of [0x01, 0x80]) {
        const bad = Uint8Array.from(list)
        bad[byte] = (bad[byte] as number) ^ bit
        expect(await code(bad, at.intermediate), `byte ${byte}`).toMatch(
          /^certificate\/(malformed|list-signature)$/,
        )
        expect(await code(list.subarray(0, byte), at.intermediate)).toBe('certificate/malformed')
      }
    }
    // Others read it as it is meant, and what they wrote is read here.
    const seen = new x509.X509Crl(Uint8Array.from(list))
    expect(
      await seen.verify({ publicKey: new x509.X509Certificate(Uint8Array.from(at.intermediate)).publicKey }),
    ).toBe(true)
    expect(seen.findRevoked(serial)?.reason).toBe(x509.X509CrlReason.superseded)
    const theirs = await x509.X509CrlGenerator.create(
      {
        issuer: seen.issuer,
        thisUpdate: new Date(now),
        nextUpdate: new Date(now + DAY),
        signingAlgorithm: SIGNING_ALGORITHM,
        signingKey: SIGNING_KEY,
        entries: [
          { serialNumber: serial, revocationDate: new Date(now), reason: x509.X509CrlReason.superseded },
        ],
        extensions: [new x509.Extension('2.5.29.20', false, Uint8Array.of(2, 1, 1))],
      },
      cryptoOf(at.signer),
    )
    expect(readRevocationList(new Uint8Array(theirs.rawData), at.intermediate)).toEqual(
      readRevocationList(list, at.intermediate),
    )
  })

  it('KEY-3 serves a house of thousands: a full list is taken by verifiers, and one more is refused as that', async () => {
    const at = await house()
    const good = await at.issue(createIdentity(random))
    const bad = await at.issue(createIdentity(random))
    const at0 = at.clock.now() - HOUR
    const revoked = Array.from({ length: MAX_REVOKED - 1 }, (_, i) => ({
      serial: (2n ** 127n - 1n - BigInt(i)).toString(16),
      at: at0,
      reason: 'compromised' as const,
    }))
    const authority = createAuthority(
      {
        clock: at.clock,
        random,
        signer: at.signer,
        certificate: at.intermediate,
        grant: () => [],
        keep: async () => {},
        keepRevokedFor: NODE_REVOCATION_LIFE,
      },
      { listNumber: 7, revoked },
    )
    const serialOf = (certificate: Certificate): string =>
      new x509.X509Certificate(Uint8Array.from(certificate)).serialNumber
    const full = fromPem(listToPem(await authority.revoke(serialOf(bad), 'ended')), 'X509 CRL')
    expect(readRevocationList(full, at.intermediate).revoked).toHaveLength(MAX_REVOKED)
    const { root } = (await at.trust()).lists
    const trust = { root: at.root, lists: { root, intermediate: full }, now: at.clock.now() }
    const verify = (node: Certificate) =>
      codeOf(verifyNodeCertificate({ node, intermediate: at.intermediate }, trust))
    expect(await verify(good)).toBe('valid')
    expect(await verify(bad)).toBe('certificate/revoked')
    expect(await codeOf(authority.revoke(serialOf(good), 'ended'))).toBe('certificate/list-full')
    // Those of nodes that are over give up their place, no more of them than are needed.
    await at.clock.advance(NODE_REVOCATION_LIFE)
    const next = readRevocationList(await authority.revoke(serialOf(good), 'ended'), at.intermediate).revoked
    expect(next.map(({ serial }) => serial)).toEqual([
      ...revoked.slice(1).map(({ serial }) => serial),
      serialOf(bad),
      serialOf(good),
    ])
  }, 60_000)

  it('KEY-3 every list has a higher number, and is kept before it is handed out', async () => {
    const at = await house()
    const serials = await Promise.all(
      [1, 2, 3].map(async () => {
        const certificate = await at.issue(createIdentity(random))
        return new x509.X509Certificate(Uint8Array.from(certificate)).serialNumber
      }),
    )
    await Promise.all(serials.map((serial) => at.authority.revoke(serial, 'ended')))
    expect(at.kept.map(({ listNumber }) => listNumber)).toEqual([1, 2, 3])
    expect(
      at.kept
        .at(-1)
        ?.revoked.map(({ serial }) => serial)
        .sort(),
    ).toEqual([...serials].sort())
  })
})
