import { AskeeError, concat, fromUtf8, utf8 } from '@askee/core'

/**
 * What is sealed in a frame:
 *
 *     u8 n | n bytes type | [u16 n | n bytes checkpoint | u16 n | n bytes leaves] | body
 */
export interface FrameContent {
  readonly typ: string
  readonly checkpoint: { readonly document: Uint8Array; readonly leaves: Uint8Array } | undefined
  readonly body: Uint8Array
}

const MAX_TYPE_BYTES = 255

export function encodeContent({ typ, checkpoint, body }: FrameContent): Uint8Array {
  const name = utf8(typ)
  if (name.byteLength > MAX_TYPE_BYTES) {
    throw new AskeeError('session/type', `expected a type of at most ${MAX_TYPE_BYTES} bytes`)
  }
  const head = concat(Uint8Array.of(name.byteLength), name)
  if (checkpoint === undefined) return concat(head, body)
  const { document, leaves } = checkpoint
  return concat(head, u16(document.byteLength), document, u16(leaves.byteLength), leaves, body)
}

/** @throws AskeeError `session/malformed` */
export function readContent(frame: { readonly checkpoint: boolean }, content: Uint8Array): FrameContent {
  let at = 0
  const take = (length: number): Uint8Array => {
    if (at + length > content.byteLength) throw malformed()
    at += length
    return content.subarray(at - length, at)
  }
  const counted = (): Uint8Array => {
    const [high = 0, low = 0] = take(2)
    return take(256 * high + low)
  }
  const [length = 0] = take(1)
  const typ = textOf(take(length))
  const checkpoint = frame.checkpoint ? { document: counted(), leaves: counted() } : undefined
  return { typ, checkpoint, body: content.subarray(at) }
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    throw malformed()
  }
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}

function malformed(): AskeeError {
  return new AskeeError('session/malformed', 'what was sealed is no message of a session')
}
