import { AskeeError, bytesEqual, encode, errorCode, systemRandom as random, utf8 } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import {
  createIdentity,
  createOpener,
  createPeerKeys,
  createSealer,
  type EnvelopeHeader,
  errorReplyIn,
  type Identity,
  kidOf,
  MAX_BODY_BYTES,
  type Message,
  type Opener,
  type OpenerComponents,
  type Sealer,
  sealErrorReply,
  signKeyRevocation,
} from '../src/index.ts'
import {
  encodeEnvelope,
  encodeHeader,
  type ParsedEnvelope,
  parseEnvelope,
  signedPart,
} from '../src/sealing/envelope.ts'
import type { ReplayGuardLimits } from '../src/sealing/replay-guard.ts'
import { type SealingKeyPair, sealingKeyPair } from '../src/sealing/suites.ts'

const MINUTE = 60_000
const START = 1_700_000_000_000

interface Party {
  readonly identity: Identity
  readonly sealer: Sealer
  readonly opener: Opener
  readonly peerKeys: ReturnType<typeof createPeerKeys>
  /** Kids of keys that this party has, and why it lacks one. */
  readonly lost: Map<string, string>
}

const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))

const people = new Map<
  string,
  Record<'sealing' | 'sealing-inner', { kid: string; publicKey: Uint8Array; pair: SealingKeyPair }>
>()

function sealerOf(identity: Identity, clock: VirtualTime): Sealer {
  return createSealer({
    identity,
    clock,
    random,
    recipientKey: (node, use) => (people.get(node) as NonNullable<ReturnType<typeof people.get>>)[use],
  })
}

async function party(clock: VirtualTime, limits?: Partial<ReplayGuardLimits>): Promise<Party> {
  const identity = createIdentity(random)
  const keyOf = async (use: 'sealing' | 'sealing-inner') => {
    const { pair, publicKey } = await sealingKeyPair(use, random.bytes(32))
    return { kid: kidOf(use, publicKey), publicKey, pair }
  }
  const keys = { sealing: await keyOf('sealing'), 'sealing-inner': await keyOf('sealing-inner') }
  people.set(identity.id, keys)
  const lost = new Map<string, string>()
  const peerKeys = createPeerKeys(clock)
  const sealer = sealerOf(identity, clock)
  const keyRing: OpenerComponents['keyRing'] = {
    async keyPair(use, kid) {
      const code = kid === keys[use].kid ? lost.get(kid) : 'keys/unknown-key'
      if (code !== undefined) throw new AskeeError(code, 'the key is gone')
      return keys[use].pair
    },
  }
  const opener = createOpener({ self: identity.id, clock, peerKeys, keyRing }, limits)
  return { identity, sealer, opener, peerKeys, lost }
}

async function pair(): Promise<{ clock: VirtualTime; alice: Party; bob: Party }> {
  const clock = new VirtualTime(START)
  return { clock, alice: await party(clock), bob: await party(clock) }
}

function message(to: Party, text = 'meet at noon'): Message {
  return { to: to.identity.id, conv: 'talk', typ: 'text/1', body: utf8(text) }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'opened',
    (error: unknown) => errorCode(error) ?? String(error),
  )
}

/** The envelope with another header, signed by `by` as the facts say. */
function resigned(envelope: ParsedEnvelope, by: Identity, change: Partial<EnvelopeHeader> = {}): Uint8Array {
  const hdr = encodeHeader({ ...envelope.header, ...change })
  const { enc, ct } = envelope
  return encodeEnvelope({ hdr, enc, ct, sig: by.sign(signedPart({ hdr, enc, ct })) })
}

describe('envelopes', () => {
  it('MSG-1 are read by their recipient, and say who sent them, when, and in which conversation', async () => {
    const { alice, bob } = await pair()
    const sealed = await alice.sealer.seal(message(bob))
    const opened = await bob.opener.open(sealed)
    expect(opened).toMatchObject({ from: alice.identity.id, conv: 'talk', typ: 'text/1', layers: 'single' })
    expect(opened.body).toEqual(utf8('meet at noon'))
    expect(opened.header.ts).toBe(START)
    expect(Buffer.from(sealed).includes('meet at noon')).toBe(false)
  })

  it('MSG-1 carry from nothing to a mebibyte, and no more', async () => {
    const { alice, bob } = await pair()
    for (const size of [0, 1, MAX_BODY_BYTES]) {
      const body = new Uint8Array(size).fill(7)
      const { body: received } = await bob.opener.open(await alice.sealer.seal({ ...message(bob), body }))
      expect(bytesEqual(received, body)).toBe(true)
    }
    const body = new Uint8Array(MAX_BODY_BYTES + 1)
    expect(await codeOf(alice.sealer.seal({ ...message(bob), body }))).toBe('envelope/body-size')
    expect(await codeOf(alice.sealer.seal({ ...message(bob), conv: 'Not allowed' }))).toBe(
      'envelope/conversation',
    )
  })

  it('MSG-2 in two layers hide even what they are, and need both keys', async () => {
    const { alice, bob } = await pair()
    const sealed = await alice.sealer.seal(message(bob), 'double')
    expect(parseEnvelope(sealed).header.typ).toBe('double/1')
    expect(Buffer.from(sealed).includes('text/1')).toBe(false)
    expect(await bob.opener.open(sealed)).toMatchObject({
      typ: 'text/1',
      body: utf8('meet at noon'),
      layers: 'double',
    })
    for (const use of ['sealing', 'sealing-inner'] as const) {
      const again = await alice.sealer.seal(message(bob), 'double')
      const { kid } = (people.get(bob.identity.id) as NonNullable<ReturnType<typeof people.get>>)[use]
      bob.lost.set(kid, 'keys/key-revoked')
      expect(await codeOf(bob.opener.open(again)), use).toBe('keys/key-revoked')
      bob.lost.clear()
    }
  })

  type Attack = (alice: Party, bob: Party, mallory: Party, clock: VirtualTime) => Promise<Uint8Array>
  const sealed = async (alice: Party, bob: Party): Promise<ParsedEnvelope> =>
    parseEnvelope(await alice.sealer.seal(message(bob)))
  const changed =
    (change: (envelope: ParsedEnvelope) => Partial<EnvelopeHeader>): Attack =>
    async (alice, bob) => {
      const envelope = await sealed(alice, bob)
      return resigned(envelope, alice.identity, change(envelope))
    }

  const table: readonly (readonly [what: string, code: string, attack: Attack])[] = [
    [
      'the same envelope again',
      'envelope/replay',
      async (alice, bob) => {
        const bytes = await alice.sealer.seal(message(bob))
        await bob.opener.open(bytes)
        return bytes
      },
    ],
    [
      'one that was overtaken by a later one',
      'envelope/reordered',
      async (alice, bob) => {
        const first = await alice.sealer.seal(message(bob, 'first'))
        await bob.opener.open(await alice.sealer.seal(message(bob, 'second')))
        return first
      },
    ],
    [
      "another's words under one's own name: stripped and signed again",
      'envelope/unreadable',
      async (alice, bob, mallory) => {
        const fromKid = kidOf('signing', mallory.identity.publicKey)
        return resigned(await sealed(alice, bob), mallory.identity, { from: mallory.identity.id, fromKid })
      },
    ],
    [
      "another's name with one's own signature",
      'envelope/signature',
      async (alice, bob, mallory) => resigned(await sealed(alice, bob), mallory.identity),
    ],
    [
      'the ciphertext of another message under a new header',
      'envelope/unreadable',
      async (alice, bob) => {
        const [a, b] = [await sealed(alice, bob), await sealed(alice, bob)]
        return resigned({ ...a, header: b.header }, alice.identity)
      },
    ],
    [
      'one for somebody else',
      'envelope/wrong-recipient',
      async (alice, _, mallory) => alice.sealer.seal(message(mallory)),
    ],
    [
      'one for somebody else, passed on as ours',
      'envelope/unreadable',
      async (alice, bob, mallory) =>
        resigned(await sealed(alice, mallory), alice.identity, {
          to: bob.identity.id,
          toKid: (people.get(bob.identity.id) as NonNullable<ReturnType<typeof people.get>>).sealing.kid,
        }),
    ],
    ['another key of the sender', 'envelope/sender-key', changed(() => ({ fromKid: '0'.repeat(32) }))],
    [
      'a clock more than five minutes ahead',
      'envelope/future',
      changed(({ header }) => ({ ts: header.ts + 6 * MINUTE, exp: header.ts + 7 * MINUTE })),
    ],
    [
      'one that is more than five minutes old',
      'envelope/stale',
      async (alice, bob, _, clock) => {
        const envelope = await sealed(alice, bob)
        await clock.advance(5 * MINUTE + 1)
        return resigned(envelope, alice.identity, { exp: envelope.header.ts + 9 * MINUTE })
      },
    ],
    [
      'one that is over',
      'envelope/expired',
      async (alice, bob, _, clock) => {
        const envelope = await sealed(alice, bob)
        await clock.advance(2 * MINUTE)
        return resigned(envelope, alice.identity, { exp: envelope.header.ts + MINUTE })
      },
    ],
    ['a life too long', 'envelope/lifetime', changed(({ header }) => ({ exp: header.ts + 11 * MINUTE }))],
    ['an end before its beginning', 'envelope/lifetime', changed(({ header }) => ({ exp: header.ts - 1 }))],
    [
      'one that was made before the node started',
      'envelope/before-start',
      changed(({ header }) => ({ ts: header.ts - 1 })),
    ],
    ['a key that we do not have', 'keys/unknown-key', changed(() => ({ toKid: '0'.repeat(32) }))],
    [
      'a key whose grace is over',
      'keys/key-expired',
      async (alice, bob) => {
        const bytes = await alice.sealer.seal(message(bob))
        bob.lost.set(parseEnvelope(bytes).header.toKid, 'keys/key-expired')
        return bytes
      },
    ],
    [
      'a revoked key',
      'keys/key-revoked',
      async (alice, bob) => {
        const bytes = await alice.sealer.seal(message(bob))
        bob.lost.set(parseEnvelope(bytes).header.toKid, 'keys/key-revoked')
        return bytes
      },
    ],
    [
      'a sender whose identity is void',
      'keys/identity-revoked',
      async (alice, bob) => {
        bob.peerKeys.acceptRevocation(
          signKeyRevocation(alice.identity, {
            use: 'signing',
            sequence: 0,
            kids: [],
            revokedAt: START,
            until: START,
            reason: 'compromised',
          }),
        )
        return alice.sealer.seal(message(bob))
      },
    ],
    ['something huge', 'codec/too-large', async () => new Uint8Array(MAX_BODY_BYTES + 4096)],
    ['no envelope', 'codec/schema', async () => encode({ hello: 'there' })],
    [
      'the same envelope in another encoding',
      'codec/malformed',
      async (alice, bob) => {
        const bytes = await alice.sealer.seal(message(bob))
        // A map of four entries with its length in two bytes.
        return Uint8Array.from([0xb8, 0x04, ...bytes.subarray(1)])
      },
    ],
  ]
  for (const [what, code, attack] of table) {
    it(`MSG-1 refuses ${what}: ${code}`, async () => {
      const { clock, alice, bob } = await pair()
      const mallory = await party(clock)
      const bytes = await attack(alice, bob, mallory, clock)
      expect(await codeOf(bob.opener.open(bytes))).toBe(code)
      expect(await codeOf(bob.opener.open(bytes)), 'nor the second time').not.toBe('opened')
    })
  }

  it('MSG-1 refuse every flipped bit', async () => {
    const { alice, bob } = await pair()
    const bytes = await alice.sealer.seal(message(bob, 'x'))
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 5) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(await codeOf(bob.opener.open(flipped)), `bit ${bit}`).not.toBe('opened')
    }
    expect(await codeOf(bob.opener.open(bytes)), 'forgeries use up nothing').toBe('opened')
  })

  it('MSG-1 are opened once even when they arrive many times at the same moment', async () => {
    const { alice, bob } = await pair()
    const bytes = await alice.sealer.seal(message(bob))
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(bob.opener.open(bytes))))
    expect(codes.filter((code) => code === 'opened')).toHaveLength(1)
    expect(new Set(codes)).toEqual(new Set(['opened', 'envelope/replay']))
  })

  it('MSG-1 that are proven fresh by an exchange are opened although the memory of messages is full', async () => {
    const clock = new VirtualTime(START)
    const mallory = await party(clock)
    const bob = await party(clock, { messages: 2 })
    const codes: string[] = []
    for (let i = 0; i < 3; i++) {
      codes.push(await codeOf(bob.opener.open(await mallory.sealer.seal(message(bob)))))
    }
    expect(codes).toEqual(['opened', 'opened', 'envelope/replay-memory'])
    const hello = await mallory.sealer.seal(message(bob))
    expect(await codeOf(bob.opener.open(hello, 'by-exchange'))).toBe('opened')
  })

  it('MSG-1 keep their order over a restart of the sender, whose counter is gone', async () => {
    const { clock, alice, bob } = await pair()
    for (let i = 0; i < 5; i++) await bob.opener.open(await alice.sealer.seal(message(bob)))
    await clock.advance(1000)
    const again = sealerOf(alice.identity, clock)
    expect(await codeOf(bob.opener.open(await again.seal(message(bob))))).toBe('opened')
  })
})

describe('error replies', () => {
  it('MSG-1 tell a proven sender why, encrypted', async () => {
    const { alice, bob } = await pair()
    const bytes = await alice.sealer.seal(message(bob))
    await bob.opener.open(bytes)
    const refused = await bob.opener.open(bytes).catch((error: unknown) => error)
    const reply = (await sealErrorReply(bob.sealer, refused)) as Uint8Array
    expect(Buffer.from(reply).includes('envelope/replay')).toBe(false)
    const opened = await alice.opener.open(reply)
    expect(opened.from).toBe(bob.identity.id)
    expect(errorReplyIn(opened)).toMatchObject({
      code: 'envelope/replay',
      mid: parseEnvelope(bytes).header.mid,
    })
  })

  it('MSG-1 go to nobody who is not proven, and answer no error', async () => {
    const { clock, alice, bob } = await pair()
    const mallory = await party(clock)
    const forged = resigned(parseEnvelope(await alice.sealer.seal(message(bob))), mallory.identity)
    const unproven = await bob.opener.open(forged).catch((error: unknown) => error)
    expect(await sealErrorReply(bob.sealer, unproven)).toBeUndefined()
    expect(await sealErrorReply(bob.sealer, new Error('anything'))).toBeUndefined()

    const bytes = await alice.sealer.seal(message(bob))
    await bob.opener.open(bytes)
    const reply = (await sealErrorReply(
      bob.sealer,
      await bob.opener.open(bytes).catch((e: unknown) => e),
    )) as Uint8Array
    await alice.opener.open(reply)
    const replayed = await alice.opener.open(reply).catch((error: unknown) => error)
    expect(errorCode(replayed)).toBe('envelope/replay')
    expect(await sealErrorReply(alice.sealer, replayed)).toBeUndefined()
  })
})

describe('the primitives', () => {
  it('MSG-1 are none that node calls experimental', async () => {
    const { alice, bob } = await pair()
    await bob.opener.open(await alice.sealer.seal(message(bob), 'double'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  })
})
