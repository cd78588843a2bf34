import { type AskeeError, errorCode } from '@askee/core'

/** The worker's own code when it refused, the mesh's when it could not be asked. */
export function refusalCode(error: unknown): string {
  const code = errorCode(error) ?? 'compute/internal'
  if (code === 'mesh/rate-limited') return 'compute/busy'
  if (code !== 'mesh/refused') return code
  const inner = (error as AskeeError<string, { code?: unknown }>).details.code
  return typeof inner === 'string' ? inner : code
}
