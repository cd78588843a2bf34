import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { descendants, goneAfter, lives, sleep } from '../escape/processes.ts'
import { missingPrograms, OUTER, Warden } from '../escape/warden.ts'

const missing = missingPrograms()
if (missing !== null) console.warn(`the reaper: not run here: ${missing}`)

const PATIENCE = 20_000
let folder = ''
let warden: Warden

/** Processes below the warden by that name. */
function below(name: string): number[] {
  return descendants(warden.pid).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name)
}

describe.skipIf(missing !== null)('the process that outlives a killed warden', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'askee-reaper-'))
    warden = new Warden(`cache-directory ${folder}\ncache-key ${'07'.repeat(32)}`)
    await warden.until(OUTER.report)
  })
  afterEach(async () => {
    await warden.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('SBX-5 removes what the warden was writing, and nothing of others, and ends', async () => {
    const [reaper] = below('askee-reaper')
    for (const pid of [warden.pid, process.pid]) writeFileSync(join(folder, `a.${pid}.draft`), '')
    await warden.close()
    expect(await goneAfter([reaper!], PATIENCE)).not.toBeNull()
    expect(readdirSync(folder)).toEqual([`a.${process.pid}.draft`])
  })

  it('SBX-5 ends the work itself where the parent death signal alone would let it wait', async () => {
    const [reaper] = below('askee-reaper')
    const [runner] = below('askee-runner')
    const policyOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ')[40])
    const [IDLE, OTHER] = [5, 0]
    expect([policyOf(runner!), policyOf(reaper!)]).toEqual([IDLE, OTHER])
    await warden.close()
    expect(await goneAfter([runner!, reaper!], PATIENCE)).not.toBeNull()
  })

  it('SBX-5 is not ended by what ends the agent, and leaves with a warden that ends well', async () => {
    const [reaper] = below('askee-reaper')
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(reaper!, signal)
    await sleep(50)
    expect(lives(reaper!)).toBe(true)
    warden.send(OUTER.kill)
    await warden.ended
    expect(lives(reaper!)).toBe(false)
  })
})
