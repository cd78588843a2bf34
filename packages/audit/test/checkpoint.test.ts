import { systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cosign, MAX_NOTE_CHARACTERS, openCheckpoint, signCheckpoint } from '../src/checkpoint.ts'

const log = createIdentity(systemRandom)
const witness = createIdentity(systemRandom)
const state = { size: 42, root: new Uint8Array(32).fill(5), extensions: ['store consents 3 abcd'] }
const AT = 1_763_640_000_000

describe('checkpoints', () => {
  it('AUD-1 are signed notes that a peer can cosign', () => {
    const note = signCheckpoint(log, state)
    const { text } = openCheckpoint(note)
    const cosigned = note + cosign(witness, text, AT)
    expect(openCheckpoint(cosigned)).toMatchObject({
      ...state,
      origin: log.id,
      cosignatures: [{ witness: witness.id, at: AT }],
    })
    expect(note.split('\n').slice(0, 3)).toEqual([
      `askee/audit/${log.id}`,
      '42',
      Buffer.from(state.root).toString('base64'),
    ])
  })

  it('AUD-1 do not take a cosignature of another text, another witness or another time', () => {
    const note = signCheckpoint(log, state)
    const { text } = openCheckpoint(note)
    const other = signCheckpoint(log, { ...state, size: 43 })
    const foreign = cosign(witness, openCheckpoint(other).text, AT)
    const renamed = cosign(witness, text, AT).replace(witness.id, log.id)
    for (const line of [foreign, renamed]) expect(openCheckpoint(note + line).cosignatures).toEqual([])
    const line = cosign(witness, text, AT)
    const bytes = Buffer.from(line.split(' ')[2] as string, 'base64')
    bytes[11] = (bytes[11] as number) ^ 1
    const backdated = line.replace(line.split(' ')[2] as string, `${bytes.toString('base64')}\n`)
    expect(openCheckpoint(note + backdated).cosignatures).toEqual([])
  })

  it('AUD-1 pass over signatures of kinds that are not known', () => {
    const note = `${signCheckpoint(log, state)}\u2014 example.org/later AAAAAf////8=\n`
    expect(openCheckpoint(note).cosignatures).toEqual([])
  })

  it('AUD-1 are refused when any character is changed', () => {
    const note = signCheckpoint(log, state)
    fc.assert(
      fc.property(fc.nat(note.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const character = String.fromCharCode(code)
        fc.pre(note[at] !== character)
        const changed = note.slice(0, at) + character + note.slice(at + 1)
        expect(() => openCheckpoint(changed)).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^audit\/(checkpoint|signature)$/) }),
        )
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['nothing', ''],
    ['no signature', signCheckpoint(log, state).split('\u2014')[0]],
    ['too much', signCheckpoint(log, state).padEnd(MAX_NOTE_CHARACTERS + 1, 'x')],
    ['a size that is none', signCheckpoint(log, { ...state, size: -1 })],
    ['a huge size', signCheckpoint(log, { ...state, size: 1e300 })],
    ['another’s log', signCheckpoint({ ...log, id: witness.id, sign: log.sign }, state)],
    ['many signatures', signCheckpoint(log, state) + cosign(witness, 'x', AT).repeat(70)],
  ])('AUD-1 are refused: %s', (_, note) => {
    expect(() => openCheckpoint(note as string)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^audit\//) }),
    )
  })
})
