import { systemRandom, systemTimers, type Timers } from '@askee/core'
import { createIdentity } from '@askee/keys'
import type { Vault } from '@askee/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ComplianceProfile,
  checkCompliance,
  createExporter,
  createRetention,
  listRemovals,
  PROFILES,
  verifyLog,
} from '../src/index.ts'
import { createTurns, UNITS_A_TURN } from '../src/turns.ts'
import { exporting } from './support/exports.ts'
import { act, Logs, OLD, type OpenLog, SUBJECT_KEY } from './support/logs.ts'
import { parts } from './support/watching.ts'

/** Entries of the log here: some dozen turns. */
const ENTRIES = 1_500
const owner = createIdentity(systemRandom)
const gdpr = PROFILES.get('gdpr') as ComplianceProfile
const hipaa = PROFILES.get('hipaa') as ComplianceProfile

/** Counts the dearest step there is, opening a content, between two turns of the event loop. */
class Meter {
  turns = 0
  most = 0
  #opened = 0
  readonly timers: Timers = {
    ...systemTimers,
    sleep: async (delay, signal) => {
      this.#endTurn()
      await systemTimers.sleep(delay, signal)
    },
  }

  watch(vault: Vault): () => void {
    const open = vault.open.bind(vault)
    vault.open = (...given) => {
      this.#opened++
      return open(...given)
    }
    return () => {
      vault.open = open
      this.#endTurn()
    }
  }

  #endTurn(): void {
    this.turns++
    this.most = Math.max(this.most, this.#opened)
    this.#opened = 0
  }
}

describe('work over a whole log', () => {
  const logs = new Logs()
  let held: OpenLog

  beforeAll(async () => {
    held = await logs.open()
    await Promise.all(Array.from({ length: ENTRIES }, (_, i) => held.log.append(act(i, `s${i % 7}`))))
  })
  afterAll(() => logs.close())

  const metered = async (work: (timers: Timers) => Promise<unknown>): Promise<Meter> => {
    const meter = new Meter()
    const end = meter.watch(held.vault)
    try {
      await work(meter.timers)
    } finally {
      end()
    }
    return meter
  }

  it.each<[string, (timers: Timers) => Promise<unknown>]>([
    ['verification', (timers) => verifyLog({ ...held, timers, origin: owner.id })],
    [
      'a check of what is held too long',
      (timers) => checkCompliance({ ...held, timers }, OLD, { now: Date.now() + 1e9, region: 'EU' }),
    ],
    [
      'a check of what went too early',
      (timers) => checkCompliance({ ...held, timers }, hipaa, { now: Date.now(), region: 'EU' }),
    ],
    [
      'an export',
      async (timers) => {
        const { checkpointing } = await exporting(held, owner)
        const exporter = createExporter({ ...parts, ...held, timers, checkpointing, identity: owner })
        await exporter.make({ reason: 'x', exporter: 'y', content: 'included' })
      },
    ],
    [
      'a purge',
      (timers) =>
        createRetention({ ...parts, ...held, timers }, { subjectKey: SUBJECT_KEY }).purge(OLD, 'EU'),
    ],
    ['a list of what went', (timers) => listRemovals({ ...held, timers })],
  ])('AUD-2 lets the event loop turn all the while: %s', async (_, work) => {
    const { turns, most } = await metered(work)
    // A content costs at least one unit, so that no turn opens more of them than it has units; here each was opened once at least.
    expect(most).toBeLessThanOrEqual(UNITS_A_TURN)
    expect(turns).toBeGreaterThan((ENTRIES / UNITS_A_TURN) * 0.8)
  })

  it('AUD-1 writes acts while it is verified, and verifies them along', async () => {
    const before = held.log.size()
    let written = 0
    const timers: Timers = {
      ...systemTimers,
      sleep: async (delay) => {
        await systemTimers.sleep(delay)
        if (written < 20) await held.log.append(act(written++, 'meanwhile'))
        if (written === 10) await held.retention.erase('meanwhile', 'asked for')
      },
    }
    const verified = await verifyLog({ ...held, timers, origin: owner.id })
    expect(verified).toMatchObject({ findings: [], entries: held.log.size() })
    expect(held.log.size()).toBeGreaterThan(before + 20)
  })

  it('AUD-1 ends early when it is told to', async () => {
    const end = new AbortController()
    let turns = 0
    const timers: Timers = {
      ...systemTimers,
      sleep: async (delay, signal) => {
        if (++turns === 3) end.abort(new Error('the agent stops'))
        await systemTimers.sleep(delay, signal)
      },
    }
    const { signal } = end
    await expect(verifyLog({ ...held, timers, signal, origin: owner.id })).rejects.toThrow()
    expect(turns).toBe(3)
    const ended = checkCompliance({ ...held, timers, signal }, gdpr, { now: Date.now(), region: 'EU' })
    await expect(ended).rejects.toThrow('the agent stops')
  })

  it('AUD-1 gives a turn after its units and not before', async () => {
    let slept = 0
    const turns = createTurns({ timers: { ...systemTimers, sleep: async () => void slept++ } })
    for (let i = 1; i < UNITS_A_TURN; i++) await turns.spend(1)
    expect(slept).toBe(0)
    await turns.spend(1)
    expect(slept).toBe(1)
    await turns.spend(10 * UNITS_A_TURN)
    expect(slept).toBe(2)
  })
})
