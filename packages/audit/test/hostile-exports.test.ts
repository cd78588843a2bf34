import { concat, encode, systemRandom } from '@askee/core'
import { createIdentity, signDocument } from '@askee/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { composeEntry } from '../src/entry.ts'
import { EXPORT_DOMAIN, exportDigest, frame, MAGIC } from '../src/export/format.ts'
import { leafHash, signCheckpoint, verifyExport } from '../src/index.ts'
import { nodeHash } from '../src/merkle.ts'
import { exporting } from './support/exports.ts'
import { act, Logs } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})

const forger = createIdentity(systemRandom)

/** An export of one entry of a log that never was, every part of it signed by who made it up. */
function forged(event: Parameters<typeof composeEntry>[0], index: number): Uint8Array {
  const { entry, content } = composeEntry(event, 1, systemRandom.bytes(16))
  // The entries before it: any hash will do.
  const before = systemRandom.bytes(32)
  const root = nodeHash(before, leafHash(entry))
  const item = { kind: 'entry', index, entry, proof: [before], content }
  const begin = concat(MAGIC, frame('item', encode(item)))
  const body = {
    ...{ v: 2, node: forger.id, exporter: 'x', reason: 'x', at: 1, from: index, to: index + 1, number: 1 },
    note: signCheckpoint(forger, { size: index + 1, root, extensions: [] }),
    items: exportDigest(begin),
  }
  return concat(begin, frame('end', signDocument(forger, EXPORT_DOMAIN, body)))
}

describe('an export whose maker wants to harm who verifies it', () => {
  it('AUD-3 takes no memory for entries that it only names, however far out they are', () => {
    const index = 2 ** 49
    const positions = '500000000000000-500000000000499'
    const [first, last] = positions.split('-').map(Number)
    const event = {
      action: 'audit.erased' as const,
      subject: 'audit-retention',
      outcome: 'done' as const,
      content: { request: 0, count: 500, first: first as number, last: last as number, positions },
    }
    const { removals, entries } = verifyExport(forged(event, index), forger.id)
    expect([removals.length, entries.length]).toEqual([1, 1])
  })

  it('AUD-3 is refused by its code when its items are nested as deep as they are long', () => {
    for (const byte of [0x81, 0xa1, 0xd8]) {
      const deep = frame('item', new Uint8Array(20_000).fill(byte))
      const whole = forged(act(1), 2)
      const file = concat(MAGIC, deep, whole.subarray(MAGIC.byteLength))
      expect(() => verifyExport(file)).toThrow(expect.objectContaining({ code: 'audit/export-format' }))
    }
  })
})

describe('an export while an alarm is open', () => {
  it('AUD-3 AUD-1 takes what was signed before: the evidence is wanted just then', async () => {
    const held = await logs.open()
    const { owner, checkpointing, standing, exporter } = await exporting(held)
    await held.log.append(act(1))
    const order = { reason: 'who was it', exporter: 'the owner', content: 'included' as const }
    const { log, size } = checkpointing.sign()
    const note = signCheckpoint(owner, { log, size: size + 5, root: new Uint8Array(32), extensions: [] })
    expect(standing.judge(note, forger.id)).toBe(false)
    await held.log.append(act(2))
    const verified = verifyExport(await exporter.make(order), owner.id)
    expect(verified).toMatchObject({ from: 0, to: size, checkpoint: { size } })
    // Nothing new was signed for it: a second root of a size that others hold convicts.
    expect(checkpointing.latest()?.size).toBe(size)
    await expect(exporter.make({ ...order, to: size + 1 })).rejects.toMatchObject({
      code: 'audit/export-held',
      message: expect.stringContaining(`--to ${size}`),
    })
    // The exports before it stand above what is signed, and it says so; a later one names them all.
    const second = verifyExport(await exporter.make({ ...order, to: 1 }), owner.id)
    expect(second).toMatchObject({ to: 1, number: 2, unproven: 1, previous: [] })
    await standing.accept('it was I')
    const third = verifyExport(await exporter.make(order), owner.id)
    expect(third).toMatchObject({ number: 3, unproven: 0 })
    expect(third.previous.map(({ number }) => number)).toEqual([1, 2])
  })

  it('AUD-3 is refused, and accuses nobody, where what went since is said by no act that is signed', async () => {
    const held = await logs.open()
    const { owner, checkpointing, standing, exporter } = await exporting(held)
    for (const [i, subject] of ['stays', 'before', 'after', 'stays'].entries()) {
      await held.log.append(act(i, subject))
    }
    await held.retention.erase('before', 'asked for')
    const order = { reason: 'who was it', exporter: 'the owner', content: 'included' as const }
    const { log, size } = checkpointing.sign()
    const note = signCheckpoint(owner, { log, size: size + 5, root: new Uint8Array(32), extensions: [] })
    expect(standing.judge(note, forger.id)).toBe(false)
    await held.retention.erase('after', 'asked for')
    await expect(exporter.make(order)).rejects.toMatchObject({
      code: 'audit/export-held',
      message: expect.stringMatching(/^entry 3 was erased .*--without-content.*askee audit accept/),
      details: { index: 3 },
    })
    // What was erased before the alarm is proven still, and so are the entries around.
    const part = verifyExport(await exporter.make({ ...order, from: 1, to: 3 }), owner.id)
    expect(part.entries.map(({ event }) => (typeof event === 'string' ? event : 'readable'))).toEqual([
      'readable',
      'erased',
    ])
    verifyExport(await exporter.make({ ...order, content: 'withheld' }), owner.id)
    await standing.accept('it was I')
    const whole = verifyExport(await exporter.make({ ...order, to: size }), owner.id)
    expect(whole.entries[3]?.event).toBe('erased')
  })
})
