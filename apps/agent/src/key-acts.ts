import { AsyncLocalStorage } from 'node:async_hooks'
import type { AuditSink, Clock } from '@askee/core'
import type { KeyRing } from '@askee/keys'

/** Why a key takes the place of another. After an emergency it does not: that stands in the log as what it is. */
export type RotationCause = 'due' | 'asked' | 'emergency'

export interface KeyActs {
  /** For the ring: passes on what it writes down, and adds `key.rotated` where a key follows another. */
  readonly sink: AuditSink
  /** Names the cause of what `work` does, and of nothing that happens beside it. */
  during<T>(cause: RotationCause, work: () => Promise<T>): Promise<T>
}

/**
 * The ring writes that it published a key, also again after each start. The log of a node shall say once for every change
 * which key followed which, and whether time or a person asked for it.
 * @param keys of the ring
 */
export function recordKeyActs(
  audit: AuditSink,
  clock: Clock,
  keys: () => ReturnType<KeyRing['keys']>,
): KeyActs {
  const begun = clock.now()
  const written = new Set<string>()
  // Of the act itself: the clock rotates keys while a person asks for others, and two may ask at once.
  const causes = new AsyncLocalStorage<RotationCause>()

  return {
    sink: {
      async append(event) {
        const cause = causes.getStore() ?? 'due'
        const receipt = await audit.append(event)
        if (event.action !== 'key.published' || cause === 'emergency') return receipt
        const key = keys().find(({ kid }) => kid === event.content.kid)
        // Sequences follow the clock: one from before this process was written down by the process that made it.
        const isNew = key !== undefined && key.sequence >= begun && !written.has(key.kid)
        if (!isNew || key.previous === null) return receipt
        const { use, kid, previous } = key
        const content = { use, kid, previous, cause }
        await audit.append({ action: 'key.rotated', subject: 'system', outcome: 'done', content })
        written.add(kid)
        return receipt
      },
    },
    during: (cause, work) => causes.run(cause, work),
  }
}
