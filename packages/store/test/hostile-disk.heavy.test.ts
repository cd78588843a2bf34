import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'
import {
  flip,
  type Judgement,
  judge,
  makeStandings,
  mayPass,
  type Standing,
  sizesOf,
  stemOf,
} from './support/hostile.ts'
import { oneDatabase } from './support/one-database.ts'

const folder = temporaryFolder()
const work = join(folder, 'work')
/**
 * Places of one file that are tried. A closed store's databases are tried byte by byte whatever their size; of other files
 * that are larger every second, third … byte, from another one at every run.
 */
const PLACES = 4_000

let standings: Readonly<Record<'closed' | 'crashed' | 'older', Standing>>
beforeAll(async () => {
  standings = await makeStandings(folder, 10)
})

describe('a disk that lies, byte by byte', { timeout: 3_600_000 }, () => {
  it.each(['closed', 'crashed'] as const)(
    'STO-1 names every flipped byte of a store that was %s',
    async (state) => {
      const standing = standings[state]
      for (const [file, size] of sizesOf(standing)) {
        const isDatabase = file.includes('.db')
        const bytes = readFileSync(join(standing.directory, file))
        const alone = isDatabase ? await oneDatabase(standing, stemOf(file), work) : undefined
        const one = (at: number): Judgement | Promise<Judgement> =>
          alone?.judge(file.slice(stemOf(file).length), at, bytes[at] as number) ??
          judge(standing, work, flip(file, at))
        const stride = state === 'closed' && isDatabase ? 1 : Math.ceil(size / PLACES)
        const counts: Record<string, number> = {}
        for (let at = process.pid % stride; at < size; at += stride) {
          const judgement = await one(at)
          const told = judgement.kind === 'named' ? judgement.code : judgement.kind
          counts[told] = (counts[told] ?? 0) + 1
          const where = `${state} ${file} at ${at} of ${size}`
          const allowed = mayPass(state, file) ? ['named', 'whole'] : ['named']
          if (!allowed.includes(judgement.kind))
            expect({ where, ...judgement }).toEqual({ where, kind: allowed })
          if (judgement.kind === 'named') expect(judgement.text).toContain(stemOf(file))
        }
        process.stdout.write(`${state} ${file}, ${size} bytes, every ${stride}: ${JSON.stringify(counts)}\n`)
      }
    },
  )
})
