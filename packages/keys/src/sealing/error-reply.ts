import { AskeeError, decode, encode, errorCode, isErrorCode } from '@askee/core'
import { z } from 'zod'
import type { AuthenticSender, OpenedMessage } from './opener.ts'
import type { Sealer } from './sealer.ts'

/** `typ` of an answer that says why a message was refused. */
export const ERROR_TYPE = 'error/1'

const MAX_ERROR_BYTES = 256
const errorSchema = z.strictObject({
  /** Of the message that was refused. */
  mid: z.instanceof(Uint8Array).refine((mid) => mid.byteLength === 16),
  code: z.string().refine(isErrorCode),
})
export type ErrorReply = z.output<typeof errorSchema>

/**
 * An encrypted answer with the code for which a message was refused, or undefined when none may be sent: to a sender that is not
 * proven, or to an error, which would never end. What is no coded error of ours is not told. Always of one layer: the second
 * may be what failed.
 */
export async function sealErrorReply(sealer: Sealer, error: unknown): Promise<Uint8Array | undefined> {
  const sender =
    error instanceof AskeeError ? (error.details as { sender?: AuthenticSender }).sender : undefined
  if (sender === undefined || sender.typ === ERROR_TYPE) return undefined
  const code = errorCode(error) ?? 'envelope/refused'
  const body = encode({ mid: sender.mid, code })
  return sealer.seal({ to: sender.from, conv: sender.conv, typ: ERROR_TYPE, body })
}

/**
 * The error that another node answered, or undefined when the message is none.
 * @throws AskeeError `codec/*`
 */
export function errorReplyIn({ typ, body }: OpenedMessage): ErrorReply | undefined {
  return typ === ERROR_TYPE ? decode(body, errorSchema, MAX_ERROR_BYTES) : undefined
}
