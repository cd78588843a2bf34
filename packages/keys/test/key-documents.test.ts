import { encode, errorCode, systemRandom as random, toHex } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createIdentity,
  createPeerKeys,
  type KeyBundle,
  kidOf,
  signDocument,
  signKeyBundle,
  signKeyRevocation,
  verifyKeyBundle,
  verifyKeyRevocation,
} from '../src/index.ts'

const HOUR = 3_600_000
const identity = createIdentity(random)
const other = createIdentity(random)

function codeOf(body: () => unknown): string | undefined {
  try {
    body()
    return 'taken'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

function bundleAt(sequence: number, notBefore: number, seed = sequence): Omit<KeyBundle, 'v'> {
  const publicKey = new Uint8Array(32).fill(seed)
  const kid = kidOf('sealing', publicKey)
  return {
    kid,
    use: 'sealing',
    publicKey,
    notBefore,
    expires: notBefore + 24 * HOUR,
    previous: null,
    sequence,
  }
}

function revocation(sequence: number, revokedAt: number): Parameters<typeof signKeyRevocation>[1] {
  return {
    use: 'sealing',
    sequence,
    kids: [],
    revokedAt,
    until: revokedAt + 48 * HOUR,
    reason: 'compromised',
  }
}

describe('signed key documents', () => {
  it('KEY-1 come back as they were signed, under the identity that signed them', () => {
    const bundle = bundleAt(1, 1000)
    expect(verifyKeyBundle(signKeyBundle(identity, bundle))).toEqual({
      node: identity.id,
      bundle: { v: 1, ...bundle },
    })
    const revoked = revocation(3, 1000)
    expect(verifyKeyRevocation(signKeyRevocation(identity, revoked))).toEqual({
      node: identity.id,
      revocation: { v: 1, ...revoked },
    })
  })

  const good = bundleAt(1, 1000)
  const table: readonly (readonly [what: string, code: string, bytes: () => Uint8Array])[] = [
    [
      'the key id of another key',
      'keys/bundle-forged',
      () => signKeyBundle(identity, { ...good, kid: kidOf('sealing', new Uint8Array(32)) }),
    ],
    [
      'the same key for another use',
      'keys/bundle-forged',
      () => signKeyBundle(identity, { ...good, use: 'audit' }),
    ],
    [
      'an end before its beginning',
      'keys/bundle-forged',
      () => signKeyBundle(identity, { ...good, expires: good.notBefore }),
    ],
    [
      'more than 400 days',
      'keys/bundle-forged',
      () => signKeyBundle(identity, { ...good, expires: good.notBefore + 401 * 24 * HOUR }),
    ],
    ['a sequence of none', 'codec/schema', () => signKeyBundle(identity, { ...good, sequence: 0 })],
    [
      'a signing identity as a chain',
      'codec/schema',
      () => signDocument(identity, 'askee/key-bundle/1', { v: 1, ...good, use: 'signing' }),
    ],
    [
      'a field more',
      'codec/schema',
      () => signDocument(identity, 'askee/key-bundle/1', { v: 1, ...good, more: 1 }),
    ],
    ['a revocation', 'signature/invalid', () => signKeyRevocation(identity, revocation(1, 1000))],
    [
      'a document of another kind',
      'signature/invalid',
      () => signDocument(identity, 'askee/receipt/1', { v: 1, ...good }),
    ],
    ['something huge', 'codec/too-large', () => new Uint8Array(100_000)],
    ['no cbor', 'codec/malformed', () => new Uint8Array(10).fill(255)],
    ['no envelope', 'codec/schema', () => encode({ hello: 1 })],
  ]
  for (const [what, code, bytes] of table) {
    it(`KEY-1 refuses as a bundle ${what}: ${code}`, () => {
      expect(codeOf(() => verifyKeyBundle(bytes()))).toBe(code)
    })
  }

  it('KEY-1 refuses every flipped bit of a bundle', () => {
    const bytes = signKeyBundle(identity, good)
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 3) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(
        codeOf(() => verifyKeyBundle(flipped)),
        `bit ${bit}`,
      ).not.toBe('taken')
    }
  })
})

describe('keys of others', () => {
  const time = (): VirtualTime => new VirtualTime(1_700_000_000_000)

  it('KEY-1 uses the newest key whose time has come, and refuses those that are over', async () => {
    const clock = time()
    const keys = createPeerKeys(clock)
    const now = clock.now()
    expect(codeOf(() => keys.current(identity.id, 'sealing'))).toBe('keys/no-peer-key')
    expect(keys.acceptBundle(signKeyBundle(identity, bundleAt(2, now)))).toBe(true)
    expect(keys.acceptBundle(signKeyBundle(identity, bundleAt(3, now + HOUR)))).toBe(true)
    expect(keys.current(identity.id, 'sealing').sequence).toBe(2)
    expect(codeOf(() => keys.current(identity.id, 'audit'))).toBe('keys/no-peer-key')
    expect(codeOf(() => keys.acceptBundle(signKeyBundle(identity, bundleAt(1, now))))).toBe(
      'keys/bundle-stale',
    )
    await clock.advance(HOUR)
    expect(keys.current(identity.id, 'sealing').sequence).toBe(3)
    await clock.advance(24 * HOUR)
    expect(codeOf(() => keys.current(identity.id, 'sealing'))).toBe('keys/no-peer-key')
    expect(codeOf(() => keys.acceptBundle(signKeyBundle(identity, bundleAt(4, now))))).toBe(
      'keys/bundle-expired',
    )
  })

  it('KEY-1 takes an older key that arrives after its successor, while that one waits for its time', () => {
    const clock = time()
    const keys = createPeerKeys(clock)
    keys.acceptBundle(signKeyBundle(identity, bundleAt(6, clock.now() + HOUR)))
    expect(keys.acceptBundle(signKeyBundle(identity, bundleAt(5, clock.now())))).toBe(true)
    expect(keys.current(identity.id, 'sealing').sequence).toBe(5)
  })

  it('KEY-1 names a node that signs two keys with one sequence, and takes the same bundle twice', () => {
    const clock = time()
    const keys = createPeerKeys(clock)
    const bytes = signKeyBundle(identity, bundleAt(1, clock.now()))
    expect([keys.acceptBundle(bytes), keys.acceptBundle(bytes)]).toEqual([true, false])
    const second = signKeyBundle(identity, bundleAt(1, clock.now(), 99))
    expect(codeOf(() => keys.acceptBundle(second))).toBe('keys/bundle-conflict')
  })

  it('KEY-1 after a revocation refuses every key up to it, held or told later, in any order', () => {
    const clock = time()
    const now = clock.now()
    const keys = createPeerKeys(clock)
    keys.acceptBundle(signKeyBundle(identity, bundleAt(1, now)))
    expect(keys.acceptRevocation(signKeyRevocation(identity, revocation(2, now)))).toBe(true)
    expect(keys.acceptRevocation(signKeyRevocation(identity, revocation(2, now)))).toBe(false)
    expect(codeOf(() => keys.current(identity.id, 'sealing'))).toBe('keys/revoked')
    for (const sequence of [1, 2]) {
      expect(codeOf(() => keys.acceptBundle(signKeyBundle(identity, bundleAt(sequence, now))))).toBe(
        'keys/revoked',
      )
    }
    keys.acceptBundle(signKeyBundle(identity, bundleAt(3, now)))
    expect(keys.acceptRevocation(signKeyRevocation(identity, revocation(1, now)))).toBe(false)
    expect(keys.current(identity.id, 'sealing').sequence).toBe(3)
  })

  it('KEY-1 lets nobody revoke or publish in the name of another', () => {
    const clock = time()
    const keys = createPeerKeys(clock)
    keys.acceptBundle(signKeyBundle(identity, bundleAt(1, clock.now())))
    keys.acceptRevocation(signKeyRevocation(other, revocation(9, clock.now())))
    expect(keys.current(identity.id, 'sealing').sequence).toBe(1)
    const foreign = signKeyRevocation(other, revocation(9, clock.now()))
    expect(codeOf(() => keys.acceptRevocation(foreign, identity.id))).toBe('signature/signer')
    const bundle = signKeyBundle(other, bundleAt(2, clock.now()))
    expect(codeOf(() => keys.acceptBundle(bundle, identity.id))).toBe('signature/signer')
    const early = signKeyRevocation(identity, revocation(1, clock.now() + HOUR))
    expect(codeOf(() => keys.acceptRevocation(early))).toBe('keys/revocation-forged')
  })

  it('KEY-1 believes nothing of a node whose identity is void', () => {
    const clock = time()
    const keys = createPeerKeys(clock)
    keys.acceptBundle(signKeyBundle(identity, bundleAt(1, clock.now())))
    keys.acceptRevocation(
      signKeyRevocation(identity, {
        ...revocation(0, clock.now()),
        use: 'signing',
        until: Number.MAX_SAFE_INTEGER,
      }),
    )
    expect(codeOf(() => keys.current(identity.id, 'sealing'))).toBe('keys/identity-revoked')
    expect(codeOf(() => keys.acceptBundle(signKeyBundle(identity, bundleAt(2, clock.now()))))).toBe(
      'keys/identity-revoked',
    )
    expect(codeOf(() => keys.assertIdentity(identity.id))).toBe('keys/identity-revoked')
    keys.assertIdentity(other.id)
  })

  it('KEY-1 keeps to its bound, and forgets nodes without a revocation first', () => {
    const clock = time()
    const keys = createPeerKeys(clock, 3)
    const nodes = Array.from({ length: 6 }, () => createIdentity(random))
    const [first, ...rest] = nodes as [typeof identity, ...(typeof identity)[]]
    keys.acceptRevocation(signKeyRevocation(first, revocation(5, clock.now())))
    for (const node of rest) keys.acceptBundle(signKeyBundle(node, bundleAt(1, clock.now())))
    expect(codeOf(() => keys.acceptBundle(signKeyBundle(first, bundleAt(5, clock.now()))))).toBe(
      'keys/revoked',
    )
    const known = rest.map((node) => codeOf(() => keys.current(node.id, 'sealing')))
    expect(known).toEqual(['keys/no-peer-key', 'keys/no-peer-key', 'keys/no-peer-key', 'taken', 'taken'])
  })

  it('KEY-1 never hands out a revoked, expired or superseded key, whatever arrives in whatever order', () => {
    const act = fc.oneof(
      fc.record({ do: fc.constant('bundle' as const), sequence: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ do: fc.constant('revoke' as const), sequence: fc.integer({ min: 1, max: 5 }) }),
    )
    const start = 1_700_000_000_000
    const bundles = Array.from({ length: 7 }, (_, i) =>
      signKeyBundle(identity, bundleAt(i + 1, start + i * HOUR)),
    )
    const revocations = Array.from({ length: 7 }, (_, i) => signKeyRevocation(identity, revocation(i, start)))
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), fc.integer({ min: 0, max: 40 }), (acts, hours) => {
        const clock = new VirtualTime(start + hours * HOUR)
        const keys = createPeerKeys(clock)
        let revokedTo = 0
        let taken = 0
        for (const one of acts) {
          if (one.do === 'revoke') {
            keys.acceptRevocation(revocations[one.sequence] as Uint8Array)
            revokedTo = Math.max(revokedTo, one.sequence)
          } else if (codeOf(() => keys.acceptBundle(bundles[one.sequence - 1] as Uint8Array)) === 'taken') {
            if (start + (one.sequence - 1) * HOUR <= clock.now()) taken = Math.max(taken, one.sequence)
          }
        }
        let current: KeyBundle | undefined
        try {
          current = keys.current(identity.id, 'sealing')
        } catch {
          return
        }
        expect(current.sequence).toBeGreaterThan(revokedTo)
        expect(current.sequence).toBe(taken)
        expect(current.notBefore).toBeLessThanOrEqual(clock.now())
        expect(current.expires).toBeGreaterThan(clock.now())
        expect(toHex(current.publicKey)).toBe(toHex(new Uint8Array(32).fill(current.sequence)))
      }),
      { numRuns: 60 },
    )
  })
})
