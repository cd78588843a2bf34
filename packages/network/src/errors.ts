import { AskeeError, errorText } from '@askee/core'

/** What a failed dial or stream means to the caller. */
export function dialError(to: string, error: unknown): AskeeError {
  if (error instanceof AskeeError) return error
  if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
    return new AskeeError(
      'mesh/unsupported-protocol',
      `${to} does not speak to Askee nodes`,
      {},
      { cause: error },
    )
  }
  return new AskeeError(
    'mesh/unreachable',
    `${to} cannot be reached: ${errorText(error)}`,
    {},
    { cause: error },
  )
}

const MESH_REFUSALS = ['mesh/unsupported-protocol', 'mesh/too-large', 'mesh/rate-limited']

/** What a refusal means to the requester: the mesh's own codes as they are, a handler's as `mesh/refused`. */
export function refusedError(
  to: string,
  protocol: string,
  origin: 'mesh' | 'handler',
  code: string,
): AskeeError {
  if (origin === 'mesh' && MESH_REFUSALS.includes(code)) {
    return new AskeeError(code, `${to} does not take this ${protocol}`)
  }
  return new AskeeError('mesh/refused', `${to} refused ${protocol}: ${code}`, { code })
}
