import { AsyncLocalStorage } from 'node:async_hooks'
import type { AuditSink } from '@askee/core'
import type { KeyRing } from '@askee/keys'

/** Why a key takes the place of another. After an emergency it does not: that stands in the log as what it is. */
export type RotationCause = 'due' | 'asked' | 'emergency'

export interface KeyActs {
  /** For the ring: passes on what it writes down, and adds `key.rotated` where a key follows another. */
  readonly sink: AuditSink
  /** For the ring: it made a key. */
  made(kid: string): void
  /** Names the cause of what `work` does, and of nothing that happens beside it. */
  during<T>(cause: RotationCause, work: () => Promise<T>): Promise<T>
}

/**
 * The ring writes that it published a key, also again after each start. The log of a node shall say once for every change
 * which key followed which, and whether time or a person asked for it.
 * @param ring asked for once it is made, and not before
 */
export function recordKeyActs(audit: AuditSink, ring: () => Pick<KeyRing, 'keys'>): KeyActs {
  /** Made by this process, and not written down as what followed another: whatever clocks say. */
  const made = new Set<string>()
  // Of the act itself: the clock rotates keys while a person asks for others, and two may ask at once.
  const causes = new AsyncLocalStorage<RotationCause>()

  return {
    sink: {
      async append(event) {
        const cause = causes.getStore() ?? 'due'
        const kid = event.action === 'key.published' ? String(event.content.kid) : ''
        // Published again because the log was full, it is still no rotation.
        if (cause === 'emergency') made.delete(kid)
        const receipt = await audit.append(event)
        if (!made.has(kid)) return receipt
        const key = ring()
          .keys()
          .find((one) => one.kid === kid)
        if (key !== undefined && key.previous !== null) {
          const content = { use: key.use, kid, previous: key.previous, cause }
          await audit.append({ action: 'key.rotated', subject: 'system', outcome: 'done', content })
        }
        made.delete(kid)
        return receipt
      },
    },
    made: (kid) => void made.add(kid),
    during: (cause, work) => causes.run(cause, work),
  }
}
