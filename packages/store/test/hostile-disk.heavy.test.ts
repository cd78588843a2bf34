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
import { oneBlockStore } from './support/one-block-store.ts'
import { oneDatabase } from './support/one-database.ts'

const folder = temporaryFolder()
const work = join(folder, 'work')
/**
 * Bytes at the beginning and the end of each file that are all flipped: headers, and what the cipher leaves in clear. Most files
 * have no more.
 */
const EDGE_BYTES = 400
/** Places in the middle of a larger file, the same at every run: one digest, page or chunk covers them all alike. */
const MIDDLE_PLACES = 500
/** `ASKEE_FLIPS=all` tries every byte of every file, for as long as that takes. */
const ALL = process.env.ASKEE_FLIPS === 'all'

/** The least of the store that has to be opened to judge a flip in this file. */
async function judgeOf(
  standing: Standing,
  file: string,
): Promise<(at: number) => Judgement | Promise<Judgement>> {
  if (file.startsWith('blocks')) {
    const alone = await oneBlockStore(standing, work)
    return (at) => alone.judge(file, at)
  }
  if (!file.includes('.db')) return (at) => judge(standing, work, flip(file, at))
  const bytes = readFileSync(join(standing.directory, file))
  const alone = await oneDatabase(standing, stemOf(file), work)
  return (at) => alone.judge(file.slice(stemOf(file).length), at, bytes[at] as number)
}

function placesIn(size: number): number[] {
  const middle = size - 2 * EDGE_BYTES
  // Odd, so that every place in a word, a row or a page comes up.
  const stride = ALL ? 1 : Math.max(1, Math.ceil(middle / MIDDLE_PLACES)) | 1
  return Array.from({ length: size }, (_, at) => at).filter(
    (at) => at < EDGE_BYTES || at >= size - EDGE_BYTES || (at - EDGE_BYTES) % stride === 0,
  )
}

let standings: Readonly<Record<'closed' | 'crashed' | 'older', Standing>>
beforeAll(async () => {
  standings = await makeStandings(folder, 10)
})

describe('a disk that lies, flip by flip', { timeout: 3_600_000 }, () => {
  it.each(['closed', 'crashed'] as const)(
    'STO-1 names every byte that is flipped in a store that was %s',
    async (state) => {
      const standing = standings[state]
      for (const [file, size] of sizesOf(standing)) {
        const one = await judgeOf(standing, file)
        const counts: Record<string, number> = {}
        const places = placesIn(size)
        for (const at of places) {
          const judgement = await one(at)
          const told = judgement.kind === 'named' ? judgement.code : judgement.kind
          counts[told] = (counts[told] ?? 0) + 1
          const where = `${state} ${file} at ${at} of ${size}`
          const allowed = mayPass(state, file) ? ['named', 'whole'] : ['named']
          if (!allowed.includes(judgement.kind))
            expect({ where, ...judgement }).toEqual({ where, kind: allowed })
          if (judgement.kind === 'named') expect(judgement.text).toContain(stemOf(file))
        }
        process.stdout.write(
          `${state} ${file}, ${places.length} of ${size} bytes: ${JSON.stringify(counts)}\n`,
        )
      }
    },
  )
})
