import { systemRandom } from '@askee/core'
import { createIdentity, type Identity } from '@askee/keys'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportDigest } from '../src/export/format.ts'
import { listRemovals, type Purged, signCheckpoint, verifyExport } from '../src/index.ts'
import { altered, exporting } from './support/exports.ts'
import { act, Logs, OLD, type OpenLog, tamper } from './support/logs.ts'

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
    await held.retention.erase('odd', 'asked for')
    // At once: each still names the one before it.
    files = await Promise.all([
      parts.exporter.make(order),
      parts.exporter.make({ ...order, from: 3, to: 6, content: 'withheld' }),
      parts.exporter.make({ ...order, from: 4 }),
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
      to: 15,
      previous: [],
    })
    expect(first.checkpoint.cosignatures.map(({ witness }) => witness)).toEqual([watcher])
    expect(
      first.entries.slice(1).map(({ event }) => (typeof event === 'string' ? event : event.content.number)),
    ).toEqual([...Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? i : 'erased')), 'erased', undefined])
    expect(first.removals).toMatchObject([
      { index: 14, removal: { kind: 'erased', request: 13, count: 7, first: 2, last: 13 } },
    ])
    const second = verifyExport(file(1))
    expect(second.entries.map(({ index, event }) => [index, event])).toEqual(
      [3, 4, 5].map((i) => [i, 'withheld']),
    )
    const third = verifyExport(file(2))
    expect(third.previous).toMatchObject([
      { number: 1, digest: exportDigest(file(0)), previous: null, index: 15, content: 'included' },
      {
        number: 2,
        digest: exportDigest(file(1)),
        previous: exportDigest(file(0)),
        index: 16,
        content: 'withheld',
      },
    ])
    expect(third.entries.at(-1)?.entry.action).toBe('audit.exported')
  })

  it('AUD-3 are acts of the log, with their digests', () => {
    expect(held.log.read(17).event).toMatchObject({
      action: 'audit.exported',
      content: { number: 3, digest: exportDigest(file(2)), reason: order.reason },
    })
  })

  const stranger = createIdentity(systemRandom)
  /** The erasure stands among the entries as well as beside them. */
  function hideErasure({ items, removals }: Parameters<Change>[0]): void {
    removals.splice(0)
    items.find(({ index }) => index === 14)!.content = 'withheld'
  }
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
      'content-missing',
      ({ items }) => {
        items[3]!.content = 'erased'
      },
    ],
    [
      'a content that is called purged',
      'content-missing',
      ({ items }) => {
        items[3]!.content = 'purged'
      },
      'owner',
    ],
    [
      'a content that is called damaged',
      'content-missing',
      ({ items }) => {
        items[3]!.content = 'damaged'
      },
      'owner',
    ],
    ['an act of erasure that was left out', 'content-missing', hideErasure, 'owner'],
    [
      'an act of erasure that is another act',
      'removal',
      (draft) => {
        draft.removals[0] = { ...draft.items[1]!, kind: 'removal' }
      },
      'owner',
    ],
    [
      'a content that was withheld later',
      'signature',
      ({ items }) => {
        items[3]!.content = 'withheld'
      },
    ],
    [
      'items of another kind in between',
      'order',
      ({ items }) => {
        items[1]!.kind = 'removal'
      },
      'owner',
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
        body.note = signCheckpoint(owner, { size: 17, root: new Uint8Array(32), extensions: [] })
      },
      'owner',
    ],
    [
      'a changed checkpoint',
      'checkpoint',
      (body) => {
        body.note = body.note.replace('\n17\n', '\n18\n')
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
        body.previous[0] = { ...body.items[1]!, kind: 'export' }
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
    expect(() => verifyExport(forged)).toThrow(
      expect.objectContaining({
        code: code === 'content-missing' ? `audit/${code}` : `audit/export-${code}`,
      }),
    )
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
          expect.objectContaining({ code: expect.stringMatching(/^audit\/(export-|content-missing)/) }),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('AUD-2 prove a purge: what went by which rule, and each content that is gone', async () => {
    const purged = await logs.open('purged')
    const { exporter } = await exporting(purged)
    for (let i = 0; i < 40; i++) await purged.log.append(act(i, `s${i % 3}`))
    const first = purged.log.size() - 40
    const [said] = await purged.retention.purge(OLD, 'EU')
    const { index } = (said as Purged).receipt
    const proof = verifyExport(await exporter.make({ ...order, from: index, to: index + 1 }))
    expect(proof.removals).toMatchObject([
      { index, removal: { kind: 'purged', rule: 'old/all', count: 40, first, last: first + 39 } },
    ])
    // Of entries whose contents went, the act that says so comes along.
    const gone = verifyExport(await exporter.make({ ...order, from: first + 3, to: first + 9 }))
    expect(gone.entries.map(({ event }) => event)).toEqual(Array.from({ length: 6 }, () => 'purged'))
    expect(gone.removals.map((removal) => removal.index)).toEqual([index])
    const summary = { index, kind: 'purged', because: 'old/all', count: 40, left: 0 }
    expect(await listRemovals(purged)).toMatchObject([summary])

    tamper(purged.database, "DELETE FROM audit_contents WHERE action = 'audit.exported'")
    const forged = await exporter.make({ ...order, from: index + 1 })
    expect(() => verifyExport(forged)).toThrow(
      expect.objectContaining({
        code: 'audit/content-missing',
        details: expect.objectContaining({ index: index + 1 }),
      }),
    )
  })

  it('AUD-3 hold damaged contents as such, and are refused for them', async () => {
    const damaged = await logs.open('damaged')
    const { exporter } = await exporting(damaged)
    for (let i = 0; i < 4; i++) await damaged.log.append(act(i))
    tamper(
      damaged.database,
      "UPDATE audit_contents SET sealed = zeroblob(99) WHERE action = 'consent.used' AND idx % 4 = 1",
    )
    const made = await exporter.make(order)
    expect(() => verifyExport(made)).toThrow(
      expect.objectContaining({ code: 'audit/content-missing', message: expect.stringContaining('damaged') }),
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
