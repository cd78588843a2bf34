import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'
import {
  cut,
  flip,
  type Judgement,
  judge,
  makeStandings,
  mayPass,
  type Standing,
  samplePlaces,
  sizesOf,
  stemOf,
} from './support/hostile.ts'

const folder = temporaryFolder()
const work = join(folder, 'work')
/** Places in each file; hostile-disk.heavy.test.ts takes hundreds. */
const SAMPLES = 6
/** Other places at every run. */
const SEED = process.pid

let standings: Readonly<Record<'closed' | 'crashed' | 'older', Standing>>
beforeAll(async () => {
  standings = await makeStandings(folder, 40)
})

/** What was done must be named, or have changed nothing where that may be. */
function expectNamed(state: 'closed' | 'crashed', file: string, where: string, judgement: Judgement): void {
  const expected = mayPass(state, file) ? ['named', 'whole'] : ['named']
  expect({ state, where, ...judgement }).toEqual({
    state,
    where,
    ...judgement,
    kind: expect.toBeOneOf(expected),
  })
  if (judgement.kind === 'named') expect(judgement.text).toContain(stemOf(file))
}

describe('a disk that lies', { timeout: 300_000 }, () => {
  it('STO-1 has all that was written, closed in order or crashed', async () => {
    for (const standing of Object.values(standings)) {
      expect(await judge(standing, work, () => undefined)).toEqual({ kind: 'whole' })
    }
    expect(sizesOf(standings.crashed).map(([file]) => file)).toEqual(
      expect.arrayContaining(['rows.db-wal', 'rows.db-shm', 'generations', 'store-key', 'blocks/key-check']),
    )
  })

  it.each(['closed', 'crashed'] as const)(
    'STO-1 names flipped bytes of a store that was %s',
    async (state) => {
      for (const [file, size] of sizesOf(standings[state])) {
        for (const at of samplePlaces(size, SAMPLES, SEED)) {
          const judgement = await judge(standings[state], work, flip(file, at))
          expectNamed(state, file, `${file} at ${at} of ${size}`, judgement)
        }
      }
    },
  )

  it.each(['closed', 'crashed'] as const)(
    'STO-1 names files cut off in a store that was %s',
    async (state) => {
      for (const [file, size] of sizesOf(standings[state])) {
        for (const length of new Set([0, 1, size >> 1, size - 4096, size - 1].filter((one) => one >= 0))) {
          const judgement = await judge(standings[state], work, cut(file, length))
          expectNamed(state, file, `${file} to ${length} of ${size}`, judgement)
        }
      }
    },
  )

  it.each(['closed', 'crashed'] as const)(
    'STO-1 names missing files of a store that was %s',
    async (state) => {
      for (const [file] of sizesOf(standings[state])) {
        const judgement = await judge(standings[state], work, (directory) => rmSync(join(directory, file)))
        // Blocks are a cache: nothing says which ones there were.
        if (file.endsWith('.sealed')) expect(judgement).toEqual({ kind: 'lost' })
        else if (mayPass(state, file)) expect(judgement.kind).toBeOneOf(['whole', 'named'])
        else expect([file, judgement]).toEqual([file, expect.objectContaining({ kind: 'named' })])
      }
    },
  )

  it.each(['closed', 'crashed'] as const)(
    'STO-1 names files rolled back alone and databases exchanged in a store that was %s',
    async (state) => {
      const standing = standings[state]
      for (const file of ['rows.db', 'fields.db', 'generations']) {
        const judgement = await judge(standing, work, (directory) => {
          cpSync(join(standings.older.directory, file), join(directory, file))
          for (const end of ['-wal', '-shm']) rmSync(join(directory, `${file}${end}`), { force: true })
        })
        expect([file, judgement]).toEqual([file, expect.objectContaining({ kind: 'named' })])
      }
      const swap = (directory: string): void => {
        for (const end of state === 'crashed' ? ['', '-wal', '-shm'] : ['']) {
          renameSync(join(directory, `rows.db${end}`), join(directory, 'x'))
          renameSync(join(directory, `fields.db${end}`), join(directory, `rows.db${end}`))
          renameSync(join(directory, 'x'), join(directory, `fields.db${end}`))
        }
      }
      expect(await judge(standing, work, swap)).toMatchObject({ kind: 'named', code: 'store/swapped' })
    },
  )
})
