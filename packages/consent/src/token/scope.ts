import { AskeeError } from '@askee/core'
import type { ConsentQuestion } from '../gate.ts'
import type { ConsentClaims } from './claims.ts'

const MIB = 1_048_576
const HOUR_MS = 3_600_000

/**
 * Whether a consent's permissions cover what is asked; the time of the consent itself is checked apart.
 * @throws AskeeError `consent/audience` | `consent/kind` | `consent/purpose` | `consent/limits`
 */
export function checkScope(claims: ConsentClaims, question: ConsentQuestion): void {
  const { resources, tasks } = claims.permissions
  if (claims.audience !== question.requester) {
    throw new AskeeError(
      'consent/audience',
      `the consent is for ${claims.audience}, not ${question.requester}`,
    )
  }
  if (!tasks.kinds.includes(question.kind)) {
    throw new AskeeError(
      'consent/kind',
      `${question.kind} is not among the allowed kinds: ${tasks.kinds.join(', ')}`,
    )
  }
  // Whether it is true nobody can see. But a requester who says another thing than what was agreed to is not let in, and one
  // who says the same has signed it.
  if (!claims.purposes.includes(question.purpose)) {
    throw new AskeeError(
      'consent/purpose',
      // In no text: texts stand in logs, and what somebody agreed to is nobody else's.
      'the work is said to be for another purpose than the consent names',
      { said: question.purpose, agreed: claims.purposes },
    )
  }
  if (question.memoryBytes > resources.ramMbMax * MIB) {
    throw new AskeeError(
      'consent/limits',
      `the task wants ${Math.ceil(question.memoryBytes / MIB)} MiB of memory, the consent allows ${resources.ramMbMax}`,
    )
  }
  if (question.durationMs > tasks.maxDurationHours * HOUR_MS) {
    throw new AskeeError(
      'consent/limits',
      `the task may run ${question.durationMs} ms, the consent allows ${tasks.maxDurationHours} h`,
    )
  }
  if (tasks.minReputation > question.requesterReputation) {
    throw new AskeeError(
      'consent/limits',
      `the consent wants a requester's reputation of ${tasks.minReputation}, known is ${question.requesterReputation}`,
    )
  }
}
