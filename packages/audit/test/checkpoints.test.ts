import { type NodeId, systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { purges } from '@askee/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { signCheckpoint, verifyLog } from '../src/index.ts'
import { Checkpoints } from '../src/own/checkpoints.ts'
import { act, Logs } from './support/logs.ts'

let logs = new Logs()
afterEach(() => {
  logs.close()
  logs = new Logs()
})

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOW = 20_000 * DAY + 12 * HOUR
const [W1, W2] = [createIdentity(systemRandom).id, createIdentity(systemRandom).id]

describe('checkpoints that later ones make superfluous', () => {
  it('AUD-1 go: what stays is the last hour, the newest, what witnesses know, and one or two a day', async () => {
    // Sizes grow with time; who cosigned is drawn.
    const entry = fc.record({ minutes: fc.integer({ min: 1, max: 900 }), by: fc.constantFrom(0, 0, 0, 1, 2) })
    let opened = 0
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 40 }), async (entries) => {
        const { database } = await logs.open(`log-${opened++}`)
        const checkpoints = new Checkpoints(database)
        let at = NOW - entries.reduce((sum, { minutes }) => sum + minutes, 0) * 60_000
        const all = entries.map(({ minutes, by }, i) => {
          at += minutes * 60_000
          const size = i + 1
          checkpoints.add(size, at, `note ${size}`)
          const witness = [undefined, W1, W2][by]
          if (witness !== undefined) checkpoints.addCosignature(size, witness, 'line')
          return { size, at, witness }
        })
        checkpoints.prune(NOW)
        const left = database
          .prepare('SELECT size FROM audit_checkpoints ORDER BY size')
          .pluck()
          .all() as number[]
        const lastOf = (some: typeof all) => some.at(-1)?.size
        const days = Map.groupBy(all, (one) => Math.floor(one.at / DAY))
        const kept = new Set([
          lastOf(all),
          ...[W1, W2].map((witness) => lastOf(all.filter((one) => one.witness === witness))),
          ...all.filter((one) => one.at >= NOW - HOUR).map(({ size }) => size),
          ...[...days.values()].flatMap((day) => [
            lastOf(day),
            lastOf(day.filter((one) => one.witness !== undefined)),
          ]),
        ])
        expect(left).toEqual([...kept].filter((size) => size !== undefined).sort((a, b) => a - b))
        const cosigned = database.prepare('SELECT size FROM audit_cosignatures').pluck().all() as number[]
        expect(cosigned.every((size) => left.includes(size))).toBe(true)
        // Once more takes nothing, and writes nothing down.
        const written = purges(database).length
        expect(checkpoints.prune(NOW)).toBe(0)
        expect(purges(database)).toHaveLength(written)
      }),
      { numRuns: 8 },
    )
  })

  it('AUD-1 stay bounded over a busy month, and the log verifies without them', async () => {
    const owner = createIdentity(systemRandom)
    const held = await logs.open()
    const checkpoints = new Checkpoints(held.database)
    await Promise.all(Array.from({ length: 300 }, (_, i) => held.log.append(act(i))))
    held.database.transaction(() => {
      for (let i = 1; i <= 300; i++) {
        const note = signCheckpoint(owner, { size: i, root: held.log.root(i), extensions: [] })
        checkpoints.add(i, NOW - 30 * DAY + i * 2 * HOUR, note)
      }
    })()
    expect(checkpoints.prune(NOW)).toBeGreaterThan(250)
    expect(await verifyLog({ ...held, origin: owner.id })).toMatchObject({ findings: [], checkpoints: 26 })
    expect(purges(held.database)).toContainEqual(
      expect.objectContaining({ table: 'audit_checkpoints', reason: 'superfluous checkpoints' }),
    )
  })

  it('AUD-1 stay bounded whoever cosigns: of two thousand ids, of years, with the newest of all', async () => {
    const { database } = await logs.open()
    const checkpoints = new Checkpoints(database)
    const DAYS = 2_000
    database.transaction(() => {
      for (let size = 1; size <= DAYS; size++) {
        // Ids cost nothing: each cosigns once, and is never seen again.
        for (const half of [0, 1]) checkpoints.add(2 * size + half, NOW - (DAYS - size) * DAY + half, 'note')
        checkpoints.addCosignature(2 * size, `witness ${size}` as NodeId, 'line')
      }
    })()
    checkpoints.prune(NOW)
    const sizes = database
      .prepare('SELECT size FROM audit_checkpoints ORDER BY size')
      .pluck()
      .all() as number[]
    // Two a day of 400 days, two a month of the years before, and those of the newest 64 witnesses are among them.
    expect(sizes.length).toBeLessThan(2 * (401 + DAYS / 30 + 2))
    expect(sizes).toEqual(expect.arrayContaining([2 * DAYS + 1, 2 * DAYS, 2 * (DAYS - 63)]))
    // Of every thirty days of the first years something proves when it was written, cosigned and not.
    for (let from = 2; from < 2 * (DAYS - 400); from += 60) {
      const within = sizes.filter((size) => size >= from && size < from + 120)
      expect(within.some((size) => size % 2 === 0)).toBe(true)
      expect(within.some((size) => size % 2 === 1)).toBe(true)
    }
    const cosigned = database.prepare('SELECT count(*) FROM audit_cosignatures').pluck().get() as number
    expect(cosigned).toBeLessThan(401 + DAYS / 30 + 2)
  })
})
