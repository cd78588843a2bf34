import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'
import { flip, judge, makeStandings, mayPass, type Standing, sizesOf, stemOf } from './support/hostile.ts'

const folder = temporaryFolder()
/** All places of files up to this size; of larger ones every second, third … from another one at every run. */
const PLACES = 10_000

let standings: Readonly<Record<'closed' | 'crashed' | 'older', Standing>>
beforeAll(async () => {
  standings = await makeStandings(folder, 10)
})

describe('a disk that lies, byte by byte', { timeout: 3_600_000 }, () => {
  it.each(['closed', 'crashed'] as const)(
    'STO-1 names every flipped byte of a store that was %s',
    async (state) => {
      for (const [file, size] of sizesOf(standings[state])) {
        const stride = Math.ceil(size / PLACES)
        const counts = new Map<string, number>()
        for (let at = process.pid % stride; at < size; at += stride) {
          const judgement = await judge(standings[state], join(folder, 'work'), flip(file, at))
          const told = judgement.kind === 'named' ? judgement.code : judgement.kind
          counts.set(told, (counts.get(told) ?? 0) + 1)
          const where = `${state} ${file} at ${at} of ${size}`
          const allowed = mayPass(state, file) ? ['named', 'whole'] : ['named']
          expect({ where, ...judgement, kind: expect.toBeOneOf(allowed) }).toEqual({ where, ...judgement })
          if (judgement.kind === 'named') expect(judgement.text).toContain(stemOf(file))
        }
        process.stdout.write(
          `${state} ${file}: every ${stride} of ${size} bytes: ${JSON.stringify([...counts])}\n`,
        )
      }
    },
  )
})
