import type { RevokedView } from '@askee/client'
import type { Worker } from '@askee/compute'
import type { ConsentEntry, ConsentRegistry } from '@askee/consent'
import { AskeeError, type Clock, errorCode, errorText, type Startable, type Timers } from '@askee/core'
import { consentView } from './control/views.ts'
import { Erasure, type ErasureComponents } from './erasure.ts'

export interface ConsentUpkeepComponents extends ErasureComponents {
  readonly worker: Pick<Worker, 'status' | 'quiet'>
  readonly clock: Clock
  readonly timers: Timers
}

/** How often it is looked whether a consent ended by time, and what the disk did not take is written. */
const SWEEP_PERIOD_MS = 1000

/** Ends consents, and sees to it that nothing of them runs or is kept here. */
export interface ConsentUpkeep extends Startable {
  /**
   * Revokes a consent, or all of them; resolves when nothing of them runs or is kept here (CON-5).
   * @throws AskeeError `consent/not-written` when the disk did not take it: it is dead and erased all the same, and written
   * down as soon as the disk takes it; and whatever the registry refuses
   */
  revoke(which: string | 'all', reason: string): Promise<RevokedView>
}

/** Also ends consents whose time is over, writes down uses, and erases what an ended consent left, after a crash too. */
export function createConsentUpkeep(components: ConsentUpkeepComponents): ConsentUpkeep {
  const { consents, holdings, worker, clock, timers, logger } = components
  const erasure = new Erasure(components)
  const cleanup: (() => void)[] = []
  let isErasing = false
  /** Something may be left of an ended consent: the next sweep tries. */
  let isLeft = true
  const report = (error: unknown): void => {
    isLeft = true
    logger.error({ error: errorText(error) }, 'what an ended consent left could not be erased')
  }
  const resume = async (): Promise<void> => {
    if (isErasing || !(isLeft || erasure.tokens().length > 0 || !holdings.areComplete())) return
    isErasing = true
    try {
      await erasure.resume()
      isLeft = false
    } finally {
      isErasing = false
    }
  }
  const sweep = (): void => {
    try {
      consents.sweep()
    } catch (error) {
      // A full disk, for instance: what a timer throws would end the agent. The next period tries again.
      logger.error({ error: errorText(error) }, 'an act of a consent could not be written')
    }
    void resume().catch(report)
  }
  return {
    async start() {
      if (cleanup.length > 0) return
      consents.sweep()
      // One block that cannot be erased must not keep the person from the agent, and so from revoking.
      await resume().catch(report)
      cleanup.push(
        timers.every(SWEEP_PERIOD_MS, sweep),
        consents.onEnded(({ tokens, code }) => {
          // What was revoked by command is erased by who waits for it.
          if (code !== 'consent/expired') return
          void worker
            .quiet(tokens)
            .then(() => erasure.erase(tokens))
            .catch(report)
        }),
      )
    },
    async stop() {
      for (const clean of cleanup.splice(0)) clean()
      consents.sweep()
    },
    async revoke(which, reason) {
      const before = worker.status().leases
      const begun = clock.monotonic()
      const { ended, unwritten } = endNow(consents, which, reason)
      const tokens = ended.flatMap((entry) => entry.tokens)
      await worker.quiet(tokens)
      const killed = clock.monotonic()
      const { erased, shared } = await erasure.erase(tokens)
      const stopped = before.filter(({ consent }) => tokens.includes(consent))
      if (unwritten !== undefined) throw notWritten(unwritten, stopped.length, erased)
      const ran = stopped.some(({ state }) => state === 'running' || state === 'fetching')
      return {
        consents: ended.map(consentView),
        stoppedTasks: stopped.length,
        killMs: ran ? tenth(killed - begun) : null,
        eraseMs: tenth(clock.monotonic() - begun),
        erasedBlocks: erased,
        sharedBlocks: shared,
      }
    },
  }
}

/** Milliseconds as people and reports read them: to a tenth. */
function tenth(ms: number): number {
  return Math.round(ms * 10) / 10
}

/** What has ended, and the error of a disk that did not take it: that holds up nothing of what a revocation does. */
function endNow(
  consents: ConsentRegistry,
  which: string | 'all',
  reason: string,
): { readonly ended: readonly ConsentEntry[]; readonly unwritten?: AskeeError } {
  const live = consents.list().filter(({ phase }) => ['granted', 'renewed', 'suspended'].includes(phase))
  try {
    return { ended: which === 'all' ? consents.revokeAll(reason) : [consents.revoke(which, reason)] }
  } catch (error) {
    if (!(error instanceof AskeeError) || errorCode(error) !== 'consent/not-written') throw error
    const ended = which === 'all' ? live.map(({ id }) => consents.show(id)) : [consents.show(which)]
    return { ended, unwritten: error }
  }
}

function notWritten(error: AskeeError, stoppedTasks: number, erasedBlocks: number): AskeeError {
  const text = `${error.message}. ${stoppedTasks} tasks were stopped and ${erasedBlocks} blocks of data erased; that is written down with it`
  return new AskeeError(error.code, text, { ...error.details, stoppedTasks, erasedBlocks }, { cause: error })
}
