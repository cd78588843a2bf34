import { AskeeError, type Milliseconds, type Timers } from '@askee/core'
import type { ContainmentTier } from '../executor.ts'
import { awaitHello } from '../hello.ts'
import type { Starting } from '../spare-pool.ts'
import type { WardenReport } from './warden-frames.ts'
import { WardenProcess } from './warden-process.ts'

export interface WardenStartInit {
  /** Path of the program. */
  readonly warden: string
  readonly policy: string
  /** What was promised: a warden that reports less is not given a task, whatever it says itself. */
  readonly tier: ContainmentTier
  readonly startTimeout: Milliseconds
  /** Throws AskeeError when the runner's configuration is not the expected one. */
  acceptHello(configuration: string): void
}

/** Starts warden and runner; they are ready when REPORT keeps the promise and the runner said HELLO. */
export function startWarden(timers: Timers, init: WardenStartInit): Starting<WardenProcess> {
  const process = new WardenProcess(timers, init.warden, init.policy)
  const hello = awaitHello(timers, process, init.startTimeout, init.acceptHello)
  const report = process.report.then((told) => expectTier(told, init.tier))
  const ready = Promise.all([report, hello]).then(
    () => undefined,
    (error: unknown) => {
      void process.kill()
      throw error
    },
  )
  return { process, ready }
}

/** @throws AskeeError `sandbox/tier` naming what is missing */
export function expectTier(report: WardenReport, tier: ContainmentTier): void {
  if (tier === 'process' || report.tier === 'contained') return
  const missing = report.layers.filter((layer) => layer.state === 'missing')
  const names = missing.map(({ name, detail }) => (detail === '' ? name : `${name} (${detail})`)).join(', ')
  throw new AskeeError('sandbox/tier', `expected the tier contained, found ${report.tier}; missing: ${names}`)
}
