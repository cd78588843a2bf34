import { systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { openBeginning, openCheckpoint, signCheckpoint } from '../src/index.ts'
import { EMPTY_ROOT } from '../src/merkle.ts'
import { signBeginning } from '../src/own/beginning.ts'
import { Logs } from './support/logs.ts'
import { ownLog, show, Watching } from './support/watching.ts'

let logs = new Logs()
let watching = new Watching()
afterEach(async () => {
  await watching.stop()
  logs.close()
  logs = new Logs()
  watching = new Watching()
})

const [A, B, C] = ['aa'.repeat(16), 'bb'.repeat(16), 'cc'.repeat(16)] as [string, string, string]

/** A node, its owner, a witness, and a way to ask for the first checkpoint of a log. */
async function parties(consented: 'consented' | 'stranger' = 'consented') {
  const node = createIdentity(systemRandom)
  const owner = createIdentity(systemRandom)
  const mesh = await watching.node(node)
  const watcher = await watching.watcher({}, consented === 'consented' ? [node.id] : [])
  const begin = (log: string, former: readonly string[], by = owner, of = node.id) => {
    const named = former.map((name) => ({ log: name, size: 0 }))
    const { bytes: beginning } = signBeginning(by, { node: of, log, at: 1, reason: 'lost', former: named })
    const note = signCheckpoint(node, { log, size: 0, root: EMPTY_ROOT, extensions: [] })
    return show(mesh, node, watcher.id, { note, from: 0, root: EMPTY_ROOT, proof: [], beginning })
  }
  const logsKept = () => watcher.witness.kept(node.id).map((note) => openCheckpoint(note).log)
  return { node, owner, watcher, begin, logsKept }
}

describe('the beginning of a log', () => {
  it('AUD-1 is signed by the owner, names the log, and stands in it as an act', async () => {
    const identity = createIdentity(systemRandom)
    const owner = createIdentity(systemRandom)
    const held = await logs.open()
    const mesh = await watching.node(identity)
    const own = await ownLog(held, { identity, owner, mesh })
    expect(openBeginning(own.beginning())).toMatchObject({
      owner: owner.id,
      node: identity.id,
      log: own.name(),
      former: [],
    })
    expect(held.log.read(0).event).toMatchObject({ action: 'audit.began', content: { log: own.name() } })
    expect(own.checkpointing.sign().log).toBe(own.name())
    // A restart is no beginning.
    const again = await ownLog(held, { identity, owner, mesh })
    expect(again.name()).toBe(own.name())
    expect(held.log.size()).toBe(1)
  })

  it('AUD-1 leaves no alarm for ever: after ten restores every log that the owner ended is known, to late witnesses too', async () => {
    const identity = createIdentity(systemRandom)
    const mesh = await watching.node(identity)
    const held = await logs.open()
    const own = await ownLog(held, { identity, mesh })
    const late = await watching.watcher()
    own.checkpointing.sign()
    expect(await own.checkpointing.cosign()).toBe(1)
    const first = own.name()
    const witness = createIdentity(systemRandom).id
    const lost: string[] = []
    for (let i = 0; i < 10; i++) {
      // What one witness knows beside it: logs that are not here, once more than a statement has room for.
      const ends = i === 3 ? 'abcdef0123456789' : 'ab'
      for (const end of ends) {
        const log = `${i}${end}`.repeat(16)
        lost.push(log)
        const note = signCheckpoint(identity, { log, size: 3, root: EMPTY_ROOT, extensions: [] })
        expect(own.standing.judge(note, witness)).toBe(false)
      }
      expect(own.standing.alarms()).toHaveLength(ends.length)
      await own.standing.accept('put back')
      expect(own.standing.isHeld()).toBe(false)
    }
    const again = await ownLog(held, { identity, mesh })
    for (const log of [...lost, first]) {
      const note = signCheckpoint(identity, { log, size: 3, root: EMPTY_ROOT, extensions: [] })
      if (log !== first) expect(again.standing.judge(note, witness)).toBe(true)
      expect(openBeginning(again.beginnings.naming(log)).former.map((one) => one.log)).toContain(log)
    }
    // It has watched the first of all since, and is told that it is over.
    again.checkpointing.sign()
    expect(await again.checkpointing.cosign()).toBe(1)
    expect(again.standing.alarms()).toEqual([])
    expect(late.witness.kept(identity.id).map((note) => openCheckpoint(note).log)).toEqual([
      again.name(),
      first,
    ])
  })

  it('AUD-1 is refused with any byte changed', () => {
    const owner = createIdentity(systemRandom)
    const { bytes } = signBeginning(owner, { node: owner.id, log: A, at: 1, reason: 'x', former: [] })
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(bytes)
        changed[at] = (changed[at] as number) ^ flip
        expect(() => openBeginning(changed)).toThrow(expect.objectContaining({ code: 'audit/beginning' }))
      }),
      { numRuns: 150 },
    )
  })

  it('AUD-1 of a second log is not taken in silence: it must name the one that a witness knows', async () => {
    const { begin, logsKept, watcher, node } = await parties()
    await begin(A, [])
    await begin(B, [])
    expect(logsKept()).toEqual([A])
    await begin(B, [A])
    expect(logsKept()).toEqual([B, A])
    expect(watcher.acts).toEqual([`audit.peer-began-anew ${node.id}`])
    // What ended goes on no more.
    await expect(begin(A, [B])).rejects.toMatchObject({ details: { code: 'audit/ended' } })
  })

  it('AUD-1 of a node that nobody here works for is taken, and does not grow the log here', async () => {
    const { begin, logsKept, watcher } = await parties('stranger')
    await begin(A, [])
    await begin(B, [A])
    expect(logsKept()).toEqual([B, A])
    expect(watcher.acts).toEqual([])
  })

  it('AUD-1 is taken from nobody but the owner who began the first one, and for no other node or log', async () => {
    const { begin, logsKept } = await parties()
    const thief = createIdentity(systemRandom)
    await begin(A, [])
    for (const attempt of [begin(B, [A], thief), begin(B, [A], undefined, thief.id)]) {
      await expect(attempt).rejects.toMatchObject({ details: { code: 'audit/beginning' } })
    }
    expect(logsKept()).toEqual([A])
  })

  it('AUD-1 is not taken again and again: the note of the first log stays', async () => {
    const { begin, logsKept } = await parties()
    const names = [A, B, C, 'dd'.repeat(16)]
    for (const [i, name] of names.entries()) await begin(name, names.slice(0, i))
    await expect(begin('ee'.repeat(16), names)).rejects.toMatchObject({
      details: { code: 'audit/witness-full' },
    })
    expect(logsKept()).toContain(A)
  })
})
