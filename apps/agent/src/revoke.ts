import type { RevokedView } from '@askee/client'
import type { Worker } from '@askee/compute'
import type { ConsentHoldings, ConsentRegistry } from '@askee/consent'
import { type BlockStore, type Clock, errorText, type Logger, type Startable, type Timers } from '@askee/core'
import type { Executor } from '@askee/sandbox'
import { consentView } from './control/views.ts'

export interface ConsentUpkeepComponents {
  readonly consents: ConsentRegistry
  readonly holdings: ConsentHoldings
  readonly worker: Worker
  readonly blocks: BlockStore
  readonly executor: Executor
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** How often it is looked whether a consent ended by time, and counted uses are written. */
const SWEEP_PERIOD_MS = 1000

/** Revokes a consent, or all of them, and waits until nothing of them runs or is kept here (CON-5). */
export async function revokeHere(
  components: ConsentUpkeepComponents,
  which: string | 'all',
  reason: string,
): Promise<RevokedView> {
  const { consents, worker, clock } = components
  const before = worker.status().leases
  const begun = clock.monotonic()
  const ended = which === 'all' ? consents.revokeAll(reason) : [consents.revoke(which, reason)]
  const tokens = ended.flatMap((entry) => entry.tokens)
  await worker.quiet(tokens)
  const killed = clock.monotonic()
  const { erased, shared } = await eraseAll(components, tokens)
  const stopped = before.filter(({ consent }) => tokens.includes(consent))
  const ran = stopped.some(({ state }) => state === 'running' || state === 'fetching')
  return {
    consents: ended.map(consentView),
    stoppedTasks: stopped.length,
    killMs: ran ? killed - begun : null,
    eraseMs: clock.monotonic() - begun,
    erasedBlocks: erased,
    sharedBlocks: shared,
  }
}

/** Ends consents whose time is over, writes down uses, and erases what an ended consent left, after a crash too. */
export function createConsentUpkeep(components: ConsentUpkeepComponents): Startable {
  const { consents, holdings, timers, logger } = components
  const cleanup: (() => void)[] = []
  const eraseEnded = async (): Promise<void> => {
    const ended = holdings.tokens().filter((token) => consents.hasEnded?.(token) ?? true)
    if (ended.length > 0) await eraseAll(components, ended)
  }
  const report = (error: unknown): void =>
    logger.error({ error: errorText(error) }, 'what an ended consent left could not be erased')
  const sweep = (): void => {
    try {
      consents.sweep()
    } catch (error) {
      // A full disk, for instance: what a timer throws would end the agent. The next period tries again.
      logger.error({ error: errorText(error) }, 'an act of a consent could not be written')
    }
  }
  return {
    async start() {
      if (cleanup.length > 0) return
      consents.sweep()
      await eraseEnded()
      cleanup.push(
        timers.every(SWEEP_PERIOD_MS, sweep),
        consents.onEnded(({ tokens, code }) => {
          // What was revoked by command is erased by who waits for it.
          if (code === 'consent/expired') void components.worker.quiet(tokens).then(eraseEnded).catch(report)
        }),
      )
    },
    async stop() {
      for (const clean of cleanup.splice(0)) clean()
      consents.sweep()
    },
  }
}

/** Erases what is kept under these tokens and writes it into the history of each consent. */
async function eraseAll(
  { consents, holdings, blocks, executor }: ConsentUpkeepComponents,
  tokens: readonly string[],
): Promise<{ erased: number; shared: number }> {
  const sum = { erased: 0, shared: 0 }
  const byConsent = Map.groupBy(
    tokens,
    (token) => consents.list().find((entry) => entry.tokens.includes(token))?.id,
  )
  for (const [id, own] of byConsent) {
    const { erased, shared } = await holdings.erase(own, blocks, async (digest) => executor.forget?.(digest))
    sum.erased += erased.length
    sum.shared += shared.length
    if (id === undefined) continue
    consents.history.write('erased', id, 'done', { blocks: erased.length, shared: shared.length })
  }
  return sum
}
