import { AskeeError, errorCode } from '@askee/core'

/** Exit codes of every command (docs/cli.md). */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  unwitnessed: 4,
  consentRequired: 5,
  notFound: 6,
  timeout: 8,
} as const

const BY_CODE: readonly [prefix: string, exit: number][] = [
  ['cli/usage', EXIT.usage],
  ['cli/consent-required', EXIT.consentRequired],
  ['cli/timeout', EXIT.timeout],
  ['client/unreachable', EXIT.unreachable],
  ['compute/unknown-campaign', EXIT.notFound],
  ['compute/ambiguous-campaign', EXIT.usage],
  ['consent/ambiguous', EXIT.usage],
  ['consent/unknown', EXIT.notFound],
  ['audit/range', EXIT.notFound],
  ['audit/unknown-profile', EXIT.notFound],
]

/** Exit code for an error. */
export function exitCodeOf(error: unknown): number {
  const code = errorCode(error) ?? ''
  return BY_CODE.find(([prefix]) => code.startsWith(prefix))?.[1] ?? EXIT.failure
}

/** An error in how the command was called. */
export function usageError(message: string): AskeeError {
  return new AskeeError('cli/usage', message)
}
