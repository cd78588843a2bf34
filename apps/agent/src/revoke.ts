import type { RevokedView } from '@askee/client'
import type { ConsentRegistry } from '@askee/consent'
import type { Clock } from '@askee/core'
import { consentView } from './control/views.ts'

/** Revokes a consent, or all of them, and waits until nothing of them runs or is kept here. */
export async function revokeHere(
  { consents, clock }: { readonly consents: ConsentRegistry; readonly clock: Clock },
  which: string | 'all',
  reason: string,
): Promise<RevokedView> {
  const begun = clock.monotonic()
  const ended = which === 'all' ? consents.revokeAll(reason) : [consents.revoke(which, reason)]
  return {
    consents: ended.map(consentView),
    stoppedTasks: 0,
    killMs: null,
    eraseMs: clock.monotonic() - begun,
    erasedBlocks: 0,
    sharedBlocks: 0,
  }
}
