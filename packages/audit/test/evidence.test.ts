import { decode, encode, systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createEvidenceBook,
  type Evidence,
  openEvidence,
  signCheckpoint,
  WITNESS_MIGRATIONS,
} from '../src/index.ts'
import { EMPTY_ROOT } from '../src/merkle.ts'
import { openClaim, signClaim } from '../src/witness/claim.ts'
import { contradiction } from '../src/witness/evidence.ts'
import { EVIDENCE_PROTOCOL, evidenceAnswerSchema } from '../src/witness/protocol.ts'
import { act, Logs } from './support/logs.ts'
import { ownLog, parts, show, Watching } from './support/watching.ts'

let logs = new Logs()
let watching = new Watching()
afterEach(async () => {
  await watching.stop()
  logs.close()
  logs = new Logs()
  watching = new Watching()
})

const LOG = 'cd'.repeat(16)
const noteOf = (signer: ReturnType<typeof createIdentity>, size: number, fill: number, log = LOG): string =>
  signCheckpoint(signer, { log, size, root: new Uint8Array(32).fill(fill), extensions: [] })

/** Two roots of one size, as a forger has them. */
function fork(forger = createIdentity(systemRandom), log = LOG): Evidence {
  const [kept, received] = [noteOf(forger, 5, 1, log), noteOf(forger, 5, 2, log)]
  return openEvidence(encode({ v: 1, kind: 'fork', kept, received }))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('evidence', () => {
  it('AUD-1 convinces by its bytes alone: two roots of one size, and a growth that was claimed and is none', async () => {
    const forger = createIdentity(systemRandom)
    const kept = noteOf(forger, 5, 1)
    const claims = [
      { note: noteOf(forger, 5, 2), from: 0, root: EMPTY_ROOT, proof: [] },
      { note: noteOf(forger, 8, 2), from: 5, root: new Uint8Array(32).fill(1), proof: [] },
      { note: noteOf(forger, 8, 2), from: 5, root: new Uint8Array(32).fill(9), proof: [] },
      { note: noteOf(forger, 3, 2), from: 5, root: new Uint8Array(32).fill(1), proof: [] },
    ]
    for (const claim of claims) {
      const found = contradiction(kept, openClaim(signClaim(forger, claim)))
      expect(openEvidence(found?.bytes as Uint8Array)).toMatchObject({ node: forger.id, log: LOG })
    }
  })

  it('AUD-1 cannot be made of an honest log, whatever of it is put together', async () => {
    const honest = createIdentity(systemRandom)
    const { log } = await logs.open()
    for (let i = 0; i < 20; i++) await log.append(act(i))
    const note = (size: number) =>
      signCheckpoint(honest, { log: LOG, size, root: log.root(size), extensions: [] })
    const size = fc.integer({ min: 0, max: 20 })
    fc.assert(
      fc.property(size, size, size, size, (kept, from, to, other) => {
        fc.pre(from <= to)
        const claim = signClaim(honest, {
          note: note(to),
          from,
          root: log.root(from),
          proof: log.proveGrowth(from, to),
        })
        expect(contradiction(note(kept), openClaim(claim))).toBeUndefined()
        for (const document of [
          { v: 1, kind: 'fork', kept: note(kept), received: note(other) },
          { v: 1, kind: 'false-growth', kept: note(kept), claim },
        ]) {
          expect(() => openEvidence(encode(document))).toThrow(
            expect.objectContaining({ code: 'audit/evidence' }),
          )
        }
      }),
      { numRuns: 25 },
    )
  })

  it('AUD-1 is refused when it is of two logs or two nodes, and with any byte changed', () => {
    const forger = createIdentity(systemRandom)
    const other = createIdentity(systemRandom)
    const { bytes } = fork(forger)
    for (const received of [
      noteOf(other, 5, 2),
      noteOf(forger, 5, 2, 'ef'.repeat(16)),
      noteOf(forger, 6, 2),
    ]) {
      const document = encode({ v: 1, kind: 'fork', kept: noteOf(forger, 5, 1), received })
      expect(() => openEvidence(document)).toThrow(expect.objectContaining({ code: 'audit/evidence' }))
    }
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(bytes)
        changed[at] = (changed[at] as number) ^ flip
        expect(() => openEvidence(changed)).toThrow(expect.objectContaining({ code: 'audit/evidence' }))
      }),
      { numRuns: 150 },
    )
  })

  it('AUD-1 reaches the other witnesses, who cosign that log no more, and its owner', async () => {
    const forger = createIdentity(systemRandom)
    const mesh = await watching.node(forger)
    const [first, second] = [await watching.watcher({}, [forger.id]), await watching.watcher()]
    const held = await logs.open()
    const own = await ownLog(held, { identity: forger, mesh })
    own.checkpointing.sign()
    expect(await own.checkpointing.cosign()).toBe(2)
    const note = signCheckpoint(forger, {
      log: own.name(),
      size: 1,
      root: new Uint8Array(32),
      extensions: [],
    })
    await expect(
      show(mesh, forger, first.id, { note, from: 0, root: EMPTY_ROOT, proof: [] }),
    ).rejects.toMatchObject({ details: { code: 'audit/contradiction' } })
    await until(() => second.evidence.list().length > 0)
    expect(second.evidence.list()).toMatchObject([{ node: forger.id, kind: 'fork', source: first.id }])
    expect(second.acts).toEqual([`audit.peer-contradicted ${forger.id}`])

    await held.log.append(act(1))
    own.checkpointing.sign()
    expect(await own.checkpointing.cosign()).toBe(0)
    // Who comes later hears of it too.
    const third = await watching.watcher()
    await until(() => third.evidence.list().length > 0)
    expect(await own.checkpointing.cosign()).toBe(0)

    // The owner begins another log, aloud; that one is cosigned.
    own.standing.convicted(own.name(), first.id, 'a fork')
    expect(own.standing.alarms()).toMatchObject([{ code: 'audit/convicted', witness: first.id }])
    await own.standing.accept('a stolen key')
    own.checkpointing.sign()
    expect(await own.checkpointing.cosign()).toBe(3)
    expect(first.acts).toContain(`audit.peer-began-anew ${forger.id}`)
  })

  it('AUD-1 is taken from nobody on his word', async () => {
    const watcher = await watching.watcher()
    const mesh = await watching.node(createIdentity(systemRandom))
    const victim = createIdentity(systemRandom)
    const note = noteOf(victim, 5, 1)
    const lie = encode({ v: 1, kind: 'fork', kept: note, received: note })
    for (const body of [lie, new Uint8Array(9), new Uint8Array(16_400)]) {
      await expect(mesh.request(watcher.id, EVIDENCE_PROTOCOL, body)).rejects.toMatchObject({
        details: { code: 'audit/evidence' },
      })
    }
    expect(watcher.evidence.list()).toEqual([])
  })

  it('AUD-1 about nodes that concern nobody here fills neither disk nor lines', async () => {
    const watcher = await watching.watcher()
    const mesh = await watching.node(createIdentity(systemRandom))
    const states: string[] = []
    for (let i = 0; i < 12; i++) {
      const answer = await mesh.request(watcher.id, EVIDENCE_PROTOCOL, fork().bytes)
      states.push(decode(answer, evidenceAnswerSchema, 256).state)
    }
    expect(states.filter((state) => state === 'new')).toHaveLength(10)
    expect(states.at(-1)).toBe('full')
  })

  it('AUD-1 about nodes that concern this one keeps its place, and the oldest of the others goes', () => {
    const forgers = Array.from({ length: 6 }, () => createIdentity(systemRandom))
    const [own] = forgers
    const book = createEvidenceBook(
      { ...parts, database: openDatabase(':memory:', WITNESS_MIGRATIONS), concerns: (id) => id === own?.id },
      { limit: 3 },
    )
    for (const forger of forgers) book.add(fork(forger), forger.id)
    expect(book.list()).toHaveLength(3)
    expect(book.has(own?.id as never, LOG)).toBe(true)
    expect(book.add(fork(own), own?.id as never)).toBe('known')
  })

  it('AUD-1 a node that contradicts itself under many names fills nothing, and none of its names counts any more', () => {
    const [forger, accomplice] = [createIdentity(systemRandom), createIdentity(systemRandom)]
    const book = createEvidenceBook(
      { ...parts, database: openDatabase(':memory:', WITNESS_MIGRATIONS), concerns: () => true },
      { limit: 5 },
    )
    let heard = 0
    book.onNew(() => heard++)
    book.add(fork(accomplice), accomplice.id)
    const nameOf = (i: number): string => LOG.replace(/^..../, i.toString(16).padStart(4, '0'))
    for (let i = 0; i < 20; i++) book.add(fork(forger, nameOf(i)), forger.id)
    expect(heard).toBe(5)
    expect(book.has(forger.id, nameOf(9_999))).toBe(true)
    // Room for another goes at the cost of who has more than one.
    const other = createIdentity(systemRandom)
    expect(book.add(fork(other), other.id)).toBe('new')
    expect([accomplice, forger, other].map(({ id }) => book.has(id, LOG))).toEqual([true, false, true])
  })

  it('AUD-1 against the log that this node writes now is taken, however many of its logs were convicted before', () => {
    const own = createIdentity(systemRandom)
    const book = createEvidenceBook({
      ...parts,
      database: openDatabase(':memory:', WITNESS_MIGRATIONS),
      concerns: () => true,
      self: own.id,
    })
    const nameOf = (i: number): string => LOG.replace(/^../, i.toString(16).padStart(2, '0'))
    for (let i = 0; i < 6; i++) expect(book.add(fork(own, nameOf(i)), own.id)).toBe('new')
    expect(book.add(fork(own, nameOf(5)), own.id)).toBe('known')
    expect(book.of(own.id)).toHaveLength(4)
    expect(book.of(own.id).map(({ log }) => log)).toContain(nameOf(5))
  })

  it('AUD-1 that a crash kept from the log is written there at the start, once', async () => {
    const database = openDatabase(':memory:', WITNESS_MIGRATIONS)
    const book = createEvidenceBook({ ...parts, database, concerns: () => true })
    const proof = fork()
    book.add(proof, proof.node)
    const first = await watching.watcher({}, [], database)
    await until(() => first.acts.length > 0)
    expect(first.acts).toEqual([`audit.peer-contradicted ${proof.node}`])
    await until(() => book.untold().length === 0)
    await first.stop()
    expect((await watching.watcher({}, [], database)).acts).toEqual([])
  })

  it('AUD-1 of strangers does not flood the log here: a few acts, and the proofs in the book', async () => {
    const known = createIdentity(systemRandom)
    const database = openDatabase(':memory:', WITNESS_MIGRATIONS)
    const book = createEvidenceBook({ ...parts, database, concerns: () => true })
    for (let i = 0; i < 50; i++) book.add(fork(), known.id)
    book.add(fork(known), known.id)
    const watcher = await watching.watcher({}, [known.id], database)
    await until(() => book.untold().length === 0)
    expect(book.list()).toHaveLength(51)
    expect(watcher.acts).toHaveLength(21)
    // Whoever there is business with is written down, whatever others did.
    expect(watcher.acts).toContain(`audit.peer-contradicted ${known.id}`)
  })
})
