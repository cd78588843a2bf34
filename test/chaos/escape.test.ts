import { describe, expect, it } from 'vitest'
import { nativeNames, runNatives } from '../escape/attempts/native.ts'
import { ATTEMPTS, runSuite, withoutBareRun } from '../escape/suite.ts'
import { formatRows } from '../escape/table.ts'
import { missingPrograms } from '../escape/warden.ts'

const missing = missingPrograms()
if (missing !== null) console.warn(`escape suite: not run here: ${missing}`)

/** Those that take long stand in escape.heavy.test.ts. */
const QUICK = [1, 2, 4, 7, 13, 14, 15, 18, 50]

describe('the list of the escape suite', () => {
  it('SBX-4 numbers 1 to 41 and 50 are carried out, each once', () => {
    const numbers = ATTEMPTS.map(({ number }) => number)
    expect(numbers).toEqual([...Array.from({ length: 41 }, (_, index) => index + 1), 50])
  })
})

describe.skipIf(missing !== null)('the escape suite, in part', () => {
  it('SBX-4 stops modules, forgeries and logs that try to get out', async () => {
    const rows = await runSuite({ thorough: 'default', only: QUICK })
    const failed = rows.filter(({ verdict }) => verdict !== 'held')
    expect(failed, formatRows(failed)).toEqual([])
    expect(withoutBareRun(rows)).toEqual([15, 18, 50])
    expect(rows.length).toBe(QUICK.length)
  })

  it('SBX-4 no native attempt gets out', async () => {
    const names = nativeNames()
    const lines = await runNatives(names)
    expect([...lines.values()].filter(({ escaped }) => escaped)).toEqual([])
    expect([...lines.keys()]).toEqual(names)
  })

  it('SBX-4 no native attempt gets out of where V8 is held; it has new code and the clock', async () => {
    const lines = await runNatives(nativeNames(), '--v8')
    const escaped = [...lines.values()].filter(({ escaped }) => escaped).map(({ attempt }) => attempt)
    expect(escaped).toEqual(['29-map-exec', '29-make-exec', '30-rdtsc'])
  })
})
