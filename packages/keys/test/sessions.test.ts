import type { KeyObject } from 'node:crypto'
import { concat, systemRandom as random, toHex, utf8 } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createIdentity } from '../src/index.ts'
import { type Checkpoint, rootOf, signCheckpoint } from '../src/sessions/checkpoint.ts'
import { sealLayers } from '../src/sessions/cipher.ts'
import { FRAME_HEADER_BYTES, FRAME_KINDS, joinFrame, parseFrame } from '../src/sessions/frame.ts'
import { CHECKPOINT_MESSAGES, CHECKPOINT_PERIOD } from '../src/sessions/ledgers.ts'
import { ReplayWindow } from '../src/sessions/replay-window.ts'
import { deriveKeys, makeShare, type SessionContext } from '../src/sessions/schedule.ts'
import {
  altered,
  ask,
  codeOf,
  flush,
  forged,
  MINUTE,
  open,
  plain,
  START,
  TYPE,
} from './support/session-frames.ts'
import { type SessionPair, sessionPair } from './support/session-pair.ts'

/** A frame of Alice that carries a checkpoint as she should not make it. */
function withCheckpoint(
  pair: SessionPair,
  change: Partial<Checkpoint>,
  by = pair.alice,
  leaves?: Uint8Array,
  seq = 2,
): Uint8Array {
  const { sid, conv, handshake } = pair.a.context
  const own = leaves ?? new Uint8Array(32)
  const document = signCheckpoint(by, {
    sid,
    conv,
    to: pair.bob.id,
    direction: 0,
    handshake,
    first: 1,
    last: 1,
    root: rootOf(own),
    at: START,
    ...change,
  })
  return forged(pair, { seq, checkpoint: true }, plain({ document, leaves: own }))
}

describe('a session', () => {
  it.each(['single', 'double'] as const)('MSG-1 carries what nobody else reads, in %s layers', (layers) => {
    const { a, b } = sessionPair(new VirtualTime(START), { layers })
    const question = ask(a)
    const { seq, body } = open(b, question)
    expect(body).toEqual(utf8('meet at noon'))
    const answer = b.seal(FRAME_KINDS.answer, TYPE, utf8('with pleasure'), seq).bytes
    expect(open(a, answer)).toMatchObject({ re: seq, body: utf8('with pleasure') })
    for (const bytes of [question, answer]) {
      expect(Buffer.from(bytes).toString('latin1')).not.toMatch(/noon|pleasure|text/)
    }
  })

  it('MSG-2 in two layers needs the keys of both', () => {
    const { a, b, keys } = sessionPair(new VirtualTime(START), { layers: 'double' })
    const question = ask(a)
    const [outer, inner] = keys[0]
    expect([outer?.cipher, inner?.cipher]).toEqual(['aes-256-gcm', 'chacha20-poly1305'])
    expect(outer?.key.equals(inner?.key as KeyObject)).toBe(false)
    const header = question.subarray(0, FRAME_HEADER_BYTES)
    const single = joinFrame(header, sealLayers(keys[0].slice(0, 1), 1, header, random.bytes(40)))
    const frame = { ...parseFrame(question), sealed: single.subarray(FRAME_HEADER_BYTES) }
    expect(codeOf(() => b.decrypt(frame))).toBe('session/unreadable')
  })

  const other = (): Uint8Array => ask(sessionPair(new VirtualTime(START)).a)
  const hostile: [string, string, (pair: SessionPair) => Uint8Array][] = [
    [
      'a replay',
      'session/replay',
      ({ a, b }) => {
        const bytes = ask(a)
        open(b, bytes)
        return bytes
      },
    ],
    [
      'one that was overtaken',
      'session/reordered',
      ({ a, b }) => {
        const first = ask(a)
        open(b, ask(a))
        return first
      },
    ],
    ['one that is cut', 'session/cut', ({ a }) => ask(a).slice(0, -1)],
    ['one with more behind it', 'session/cut', ({ a }) => concat(ask(a), Uint8Array.of(0))],
    ['less than a header', 'session/malformed', ({ a }) => ask(a).slice(0, FRAME_HEADER_BYTES - 1)],
    ['another version', 'session/malformed', ({ a }) => concat(Uint8Array.of(9), ask(a).slice(1))],
    [
      'its own message, sent back',
      'session/direction',
      ({ b }) => b.seal(FRAME_KINDS.answer, TYPE, utf8('x'), 1).bytes,
    ],
    ['one turned to the other direction', 'session/direction', ({ a }) => altered(ask(a), { direction: 1 })],
    ['one of another session', 'session/unreadable', ({ a }) => altered(other(), { sid: a.context.sid })],
    ['a stripped checkpoint flag', 'session/unreadable', ({ a }) => altered(ask(a), { checkpoint: true })],
    ['a later sequence', 'session/unreadable', ({ a }) => altered(ask(a), { seq: 9 })],
    ['a younger date', 'session/unreadable', ({ a }) => altered(ask(a), { ts: START + MINUTE })],
    [
      'one of a clock that is behind',
      'session/stale',
      (pair) => forged(pair, { ts: START - 5 * MINUTE - 1 }),
    ],
    [
      'one of a clock that is ahead',
      'session/future',
      (pair) => forged(pair, { ts: START + 5 * MINUTE + 1 }),
    ],
    ['one that expired', 'session/expired', (pair) => forged(pair, { ts: START - 1000, life: 999 })],
    ['an answer to who asked nothing', 'session/kind', (pair) => forged(pair, { kind: FRAME_KINDS.answer })],
    ['sequence 0', 'session/reordered', (pair) => forged(pair, { seq: 0 })],
    ['another type', 'session/type', ({ a }) => a.seal(FRAME_KINDS.request, 'text/2', utf8('x')).bytes],
    ['an empty content', 'session/malformed', (pair) => forged(pair, {}, new Uint8Array(0))],
    [
      'a type that is longer than all',
      'session/malformed',
      (pair) => forged(pair, {}, Uint8Array.of(200, 1)),
    ],
    ['a type that is no text', 'session/malformed', (pair) => forged(pair, {}, Uint8Array.of(1, 0xff))],
    [
      'a checkpoint signed by somebody else',
      'session/checkpoint-signature',
      (pair) => withCheckpoint(pair, {}, createIdentity(random)),
    ],
    [
      'a checkpoint without a signature',
      'session/checkpoint-signature',
      (pair) =>
        forged(pair, { checkpoint: true }, plain({ document: new Uint8Array(0), leaves: new Uint8Array(0) })),
    ],
    [
      'a checkpoint of other leaves',
      'session/checkpoint-leaves',
      (pair) => withCheckpoint(pair, { root: random.bytes(32) }),
    ],
    ['a checkpoint of more leaves', 'session/checkpoint-leaves', (pair) => withCheckpoint(pair, { last: 9 })],
    [
      'a checkpoint of another session',
      'session/checkpoint-other',
      (pair) => withCheckpoint(pair, { handshake: random.bytes(32) }),
    ],
    [
      'a checkpoint for somebody else',
      'session/checkpoint-other',
      (pair) => withCheckpoint(pair, { to: createIdentity(random).id }),
    ],
    [
      'a checkpoint of the other direction',
      'session/checkpoint-other',
      (pair) => withCheckpoint(pair, { direction: 1 }),
    ],
    [
      'a checkpoint of what was not said yet',
      'session/checkpoint-ahead',
      (pair) => withCheckpoint(pair, { last: 2 }, pair.alice, new Uint8Array(64)),
    ],
    [
      'a checkpoint that leaves messages out',
      'session/checkpoint-gap',
      (pair) => withCheckpoint(pair, { first: 2, last: 2 }, pair.alice, undefined, 3),
    ],
    [
      'a checkpoint that says something else',
      'session/checkpoint-mismatch',
      (pair) => {
        open(pair.b, forged(pair, { seq: 1 }))
        return withCheckpoint(pair, {}, pair.alice, random.bytes(32))
      },
    ],
  ]
  it.each(hostile)('MSG-1 refuses %s: %s', (_, code, attack) => {
    const pair = sessionPair(new VirtualTime(START))
    expect(codeOf(() => open(pair.b, attack(pair)))).toBe(code)
    const isFatal = code.startsWith('session/checkpoint-')
    expect(pair.b.ended).toBe(isFatal ? code : undefined)
    if (isFatal) expect(codeOf(() => ask(pair.b))).toBe('session/ended')
  })

  it('MSG-1 reads nothing in which a single bit changed', () => {
    const pair = sessionPair(new VirtualTime(START))
    const bytes = ask(pair.a)
    const at = fc.nat(bytes.byteLength * 8 - 1)
    fc.assert(
      fc.property(at, (bit) => {
        const changed = Uint8Array.from(bytes)
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        const code = codeOf(() => open(pair.b, changed))
        // Another session or version is found out before the keys are tried.
        return code !== 'opened' && pair.b.ended === undefined
      }),
      { numRuns: 300 },
    )
    expect(codeOf(() => open(pair.b, bytes))).toBe('opened')
  })

  it('MSG-1 takes each sequence once, and none further behind than its window', () => {
    const sequences = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), sequences, (size, seqs) => {
        const window = new ReplayWindow(size)
        const taken = new Set<number>()
        let top = 0
        for (const seq of seqs) {
          const isFresh = !taken.has(seq) && seq >= top - size
          expect(codeOf(() => window.claim(seq)) === 'opened').toBe(isFresh)
          if (isFresh) taken.add(seq)
          if (isFresh) top = Math.max(top, seq)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('MSG-1 loses nothing but what was lost, doubled or far behind, in whatever order messages come', () => {
    const delivery = fc.record({ delay: fc.nat(20), copies: fc.constantFrom(0, 1, 1, 1, 2) })
    fc.assert(
      fc.property(fc.array(delivery, { minLength: 150, maxLength: 400 }), (plan) => {
        const { a, b } = sessionPair(new VirtualTime(START), { window: 32 })
        const due = plan.flatMap(({ delay, copies }, i) => {
          const bytes = ask(a, `message ${i}`)
          return Array.from({ length: copies }, (_, copy) => ({ i, at: i + delay + 5 * copy, bytes }))
        })
        const arrived = new Set<number>()
        for (const { i, bytes } of due.toSorted((x, y) => x.at - y.at)) {
          const code = codeOf(() => open(b, bytes))
          expect(code).toBe(arrived.has(i) ? 'session/replay' : 'opened')
          arrived.add(i)
        }
        expect(b.ended).toBeUndefined()
        expect(arrived.size).toBe(plan.filter(({ copies }) => copies > 0).length)
      }),
      { numRuns: 15 },
    )
  })

  it('MSG-1 derives other keys for any other node, key, session, conversation, mode, opening or direction', () => {
    const [own, theirs] = [makeShare('double'), makeShare('double')]
    const context: SessionContext = {
      sid: '0'.repeat(32),
      conv: 'talk',
      layers: 'double',
      initiator: createIdentity(random).id,
      responder: createIdentity(random).id,
      initiatorKid: '1'.repeat(32),
      responderKid: '2'.repeat(32),
      handshake: new Uint8Array(32),
    }
    const secrets = [random.bytes(32), random.bytes(32)] as const
    const told = { share: theirs.publicKey, innerShare: theirs.innerKey, secret: secrets[1] }
    const changes: Partial<SessionContext>[] = [
      {},
      { sid: 'f'.repeat(32) },
      { conv: 'walk' },
      { layers: 'single' },
      { initiator: context.responder },
      { responder: context.initiator },
      { initiatorKid: '3'.repeat(32) },
      { responderKid: '3'.repeat(32) },
      { handshake: new Uint8Array(32).fill(1) },
    ]
    const all = changes.flatMap((change) => {
      const keys = deriveKeys({ ...context, ...change }, own, told, secrets)
      return [...keys[0], ...keys[1]].map(({ key }) => toHex(key.export()))
    })
    const [one, two] = secrets
    const swapped = deriveKeys(context, own, told, [two, one])
    all.push(...swapped[0].map(({ key }) => toHex(key.export())))
    expect(new Set(all).size).toBe(all.length)
    const zero = { ...told, share: new Uint8Array(32) }
    expect(codeOf(() => deriveKeys(context, own, zero, secrets))).toBe('session/share')
    const single = { ...told, innerShare: null }
    expect(codeOf(() => deriveKeys(context, own, single, secrets))).toBe('session/share')
  })
})

describe('what was said in a session', () => {
  it(`MSG-1 is vouched for by a signature every ${CHECKPOINT_MESSAGES} messages`, () => {
    const { a, b } = sessionPair(new VirtualTime(START))
    const sent = Array.from({ length: CHECKPOINT_MESSAGES + 1 }, () => ask(a))
    for (const bytes of sent) open(b, bytes)
    const signed = sent.map((bytes) => parseFrame(bytes).checkpoint)
    expect(signed).toEqual([...Array(CHECKPOINT_MESSAGES).fill(false), true])
    // Taken: the next one begins after it.
    open(a, b.seal(FRAME_KINDS.answer, TYPE, utf8('')).bytes)
    expect(a.wantsFlush).toBe(false)
    expect(b.ended).toBeUndefined()
  })

  it('MSG-1 is vouched for after a minute at the latest, and nothing more is taken from who does not', async () => {
    const time = new VirtualTime(START)
    const { a, b } = sessionPair(time)
    open(b, ask(a))
    expect(a.wantsFlush).toBe(false)
    await time.advance(CHECKPOINT_PERIOD)
    expect([a.wantsFlush, b.wantsFlush, b.isUnsigned]).toEqual([true, true, false])
    flush({ a, b })
    await time.advance(CHECKPOINT_PERIOD)
    expect([a.wantsFlush, b.wantsFlush]).toEqual([false, false])
    open(b, ask(a))
    await time.advance(3 * CHECKPOINT_PERIOD + 1)
    expect(b.isUnsigned).toBe(true)
  })

  it('MSG-1 is refused when too much came without a checkpoint', () => {
    const pair = sessionPair(new VirtualTime(START))
    let seq = 0
    const next = (): string => codeOf(() => open(pair.b, forged(pair, { seq: ++seq })))
    while (seq < 4 * CHECKPOINT_MESSAGES) expect(next()).toBe('opened')
    expect(next()).toBe('session/unsigned')
    expect(pair.b.ended).toBe('session/unsigned')
  })

  it('MSG-1 is not vouched for in any number before it comes', () => {
    const pair = sessionPair(new VirtualTime(START), { window: 1024 })
    const { alice, b } = pair
    const vouch = (first: number, last: number, seq: number): string => {
      const leaves = random.bytes(32 * (last - first + 1))
      return codeOf(() =>
        open(b, withCheckpoint(pair, { first, last, root: rootOf(leaves) }, alice, leaves, seq)),
      )
    }
    expect(vouch(1, 256, 300)).toBe('opened')
    expect(vouch(257, 257, 301)).toBe('session/checkpoint-ahead')
    expect(b.ended).toBe('session/checkpoint-ahead')
  })

  it('MSG-1 is not said to who takes no checkpoints for ever', () => {
    const { a } = sessionPair(new VirtualTime(START))
    for (let i = 0; i < 4 * CHECKPOINT_MESSAGES; i++) ask(a)
    expect(codeOf(() => ask(a))).toBe('session/unacknowledged')
    expect(codeOf(() => ask(a))).toBe('session/ended')
  })

  it('MSG-1 is vouched for also when it comes later than its checkpoint, and only as it was signed', () => {
    const pair = sessionPair(new VirtualTime(START), { window: 1024 })
    const { a, b } = pair
    const late = ask(a, 'late')
    for (let i = 0; i < CHECKPOINT_MESSAGES; i++) open(b, ask(a))
    expect(open(b, late).body).toEqual(utf8('late'))
    const again = sessionPair(new VirtualTime(START), { window: 1024 })
    ask(again.a, 'late')
    for (let i = 0; i < CHECKPOINT_MESSAGES; i++) open(again.b, ask(again.a))
    expect(codeOf(() => open(again.b, forged(again, { seq: 1 })))).toBe('session/checkpoint-mismatch')
  })
})
