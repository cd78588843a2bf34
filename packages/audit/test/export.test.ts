import { systemRandom } from '@askee/core'
import { createIdentity, type Identity } from '@askee/keys'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportDigest } from '../src/export/format.ts'
import { signCheckpoint, verifyExport } from '../src/index.ts'
import { altered, exporting } from './support/exports.ts'
import { act, Logs, type OpenLog } from './support/logs.ts'

const logs = new Logs()
afterAll(() => logs.close())

const order = { reason: 'asked for by a court', exporter: 'the owner', content: 'included' as const }

describe('exports', () => {
  let held: OpenLog
  let owner: Identity
  let watcher: string
  let files: Uint8Array[]

  beforeAll(async () => {
    held = await logs.open('exported')
    const parts = await exporting(held)
    owner = parts.owner
    watcher = parts.watcher
    for (let i = 0; i < 12; i++) await held.log.append(act(i, i % 2 === 0 ? 'even' : 'odd'))
    held.log.forget('odd')
    // At once: each still names the one before it.
    files = await Promise.all([
      parts.exporter.make(order),
      parts.exporter.make({ ...order, from: 2, to: 5, content: 'withheld' }),
      parts.exporter.make({ ...order, from: 3 }),
    ])
  })

  const file = (i: number) => files[i] as Uint8Array

  it('AUD-3 hold entries, readable contents, a cosigned checkpoint and the exports before', () => {
    const first = verifyExport(file(0), owner.id)
    expect(first).toMatchObject({
      node: owner.id,
      reason: order.reason,
      number: 1,
      from: 0,
      to: 12,
      previous: [],
    })
    expect(first.checkpoint.cosignatures.map(({ witness }) => witness)).toEqual([watcher])
    expect(
      first.entries.map(({ event }) => (typeof event === 'string' ? event : event.content.number)),
    ).toEqual(Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? i : 'erased')))
    const second = verifyExport(file(1))
    expect(second.entries.map(({ index, event }) => [index, event])).toEqual(
      [2, 3, 4].map((i) => [i, 'withheld']),
    )
    const third = verifyExport(file(2))
    expect(third.previous).toMatchObject([
      { number: 1, digest: exportDigest(file(0)), previous: null, index: 12, content: 'included' },
      {
        number: 2,
        digest: exportDigest(file(1)),
        previous: exportDigest(file(0)),
        index: 13,
        content: 'withheld',
      },
    ])
    expect(third.entries.at(-1)?.entry.action).toBe('audit.exported')
  })

  it('AUD-3 are acts of the log, with their digests', () => {
    expect(held.log.read(14).event).toMatchObject({
      action: 'audit.exported',
      content: { number: 3, digest: exportDigest(file(2)), reason: order.reason },
    })
  })

  const stranger = createIdentity(systemRandom)
  type Change = Parameters<typeof altered>[1]
  const bad: [string, string, Change, ('owner' | 'stranger')?][] = [
    [
      'a changed entry',
      'entry',
      ({ items }) => {
        items[4]!.entry = items[5]!.entry
      },
      'owner',
    ],
    [
      'a changed proof',
      'entry',
      ({ items }) => {
        items[4]!.proof[0]![0]! ^= 1
      },
      'owner',
    ],
    ['a removed entry', 'missing', ({ items }) => void items.splice(4, 1), 'owner'],
    ['a removed end', 'missing', ({ items }) => void items.pop(), 'owner'],
    ['entries that changed places', 'order', ({ items }) => void items.reverse(), 'owner'],
    ['entries twice', 'order', ({ items }) => void items.push(items[0]!), 'owner'],
    [
      'entries with changed numbers',
      'entry',
      ({ items }) => {
        const [a, b] = [items[1]!.entry, items[2]!.entry]
        items[1]!.entry = b
        items[2]!.entry = a
      },
      'owner',
    ],
    [
      'a changed content',
      'content',
      ({ items }) => {
        items[3]!.content = items[5]!.content
      },
      'owner',
    ],
    [
      'a content that was taken out',
      'signature',
      ({ items }) => {
        items[3]!.content = 'erased'
      },
    ],
    [
      'another reason',
      'signature',
      (body) => {
        body.reason = 'for fun'
      },
    ],
    ['another time', 'signature', (body) => void body.at++],
    [
      'another exporter',
      'signature',
      (body) => {
        body.exporter = 'somebody'
      },
    ],
    [
      'a wrong root',
      'root',
      (body) => {
        body.note = signCheckpoint(owner, { size: 14, root: new Uint8Array(32), extensions: [] })
      },
      'owner',
    ],
    [
      'a changed checkpoint',
      'checkpoint',
      (body) => {
        body.note = body.note.replace('\n14\n', '\n15\n')
      },
    ],
    [
      'no checkpoint',
      'checkpoint',
      (body) => {
        body.note = ''
      },
      'owner',
    ],
    [
      'cosignatures that were taken out',
      'signature',
      (body) => {
        body.note = `${body.note.split('\n').slice(0, -2).join('\n')}\n`
      },
    ],
    ["another's signature", 'node', () => {}, 'stranger'],
    [
      "another's name",
      'node',
      (body) => {
        body.node = stranger.id
      },
      'stranger',
    ],
    ['an export before it that was left out', 'custody', ({ previous }) => void previous.pop(), 'owner'],
    ['exports before it in another order', 'custody', ({ previous }) => void previous.reverse(), 'owner'],
    [
      'another act for the export before it',
      'custody',
      (body) => {
        body.previous[0] = body.items[1]!
      },
      'owner',
    ],
    ['another number', 'custody', (body) => void body.number++, 'owner'],
    [
      'fewer entries than the checkpoint has',
      'missing',
      (body) => {
        body.to = 99
      },
      'owner',
    ],
  ]
  it.each(bad)('AUD-3 are refused with %s', (_, code, change, signer) => {
    const by = signer === undefined ? undefined : { owner, stranger }[signer]
    const forged = altered(file(2), change, by)
    expect(() => verifyExport(forged)).toThrow(expect.objectContaining({ code: `audit/export-${code}` }))
  })

  it('AUD-3 are refused when they are of another node than was asked for', () => {
    expect(() => verifyExport(file(0), stranger.id)).toThrow(
      expect.objectContaining({ code: 'audit/export-node' }),
    )
  })

  it('AUD-3 are refused when cut off anywhere, or with anything added', () => {
    const whole = file(1)
    fc.assert(
      fc.property(fc.nat(whole.byteLength - 1), (length) => {
        expect(() => verifyExport(whole.subarray(0, length))).toThrow(
          expect.objectContaining({ code: 'audit/export-truncated' }),
        )
      }),
      { numRuns: 100 },
    )
    expect(() => verifyExport(Uint8Array.of(...whole, 0))).toThrow(
      expect.objectContaining({ code: 'audit/export-format' }),
    )
  })

  it('AUD-3 are refused with any byte changed', () => {
    const whole = file(2)
    fc.assert(
      fc.property(fc.nat(whole.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Uint8Array.from(whole)
        changed[at]! ^= by
        expect(() => verifyExport(changed)).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^audit\/export-/) }),
        )
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['no reason', { reason: '' }, 'reason'],
    ['a reason without end', { reason: 'x'.repeat(501) }, 'reason'],
    ['entries that are not there', { to: 99 }, 'range'],
    ['no entries', { from: 3, to: 3 }, 'range'],
  ])('AUD-3 are not made for %s', async (_, change, code) => {
    const { exporter } = await exporting(held, owner)
    await expect(exporter.make({ ...order, ...change })).rejects.toMatchObject({
      code: `audit/export-${code}`,
    })
  })
})
