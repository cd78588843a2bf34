import { AskeeError, errorCode } from '@askee/core'
import type { FastifyReply } from 'fastify'

/** HTTP status of our codes, longest prefix first; anything else is a fault of ours. */
const STATUS: readonly [prefix: string, status: number][] = [
  ['compute/unknown-campaign', 404],
  ['control/not-found', 404],
  ['consent/unknown', 404],
  ['audit/range', 404],
  ['audit/unknown-profile', 404],
  ['mesh/', 502],
  ['blocks/full', 507],
  ['codec/', 400],
  ['wasm/', 422],
  ['audit/', 422],
  ['compute/', 422],
  ['consent/', 422],
  ['keys/node-id', 400],
  ['keys/', 422],
  ['control/', 400],
]

/** Our code for an error of a request. */
export function problemCode(error: unknown): string {
  const { statusCode } = error as { statusCode?: number }
  return errorCode(error) ?? (isClientError(statusCode) ? 'control/bad-request' : 'control/internal')
}

/** Answers with an RFC 9457 problem that carries our stable code. */
export function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const failure = error as { statusCode?: number; message?: string }
  const code = problemCode(error)
  const status = STATUS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? failure.statusCode ?? 500
  // The text of an unforeseen error may carry anything; only ours were written to be read by others.
  const detail =
    error instanceof AskeeError || isClientError(failure.statusCode)
      ? String(failure.message)
      : 'an unforeseen error; see the agent log'
  return reply
    .status(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title: code, status, code, detail })
}

function isClientError(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500
}
