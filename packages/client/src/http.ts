import { lstat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { AskeeError, fromUtf8 } from '@askee/core'
import { problemSchema } from './schema.ts'

/** Largest answer read from the agent. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024

export interface HttpCall {
  readonly socket: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: Uint8Array
  readonly contentType?: string
  readonly signal?: AbortSignal
}

/**
 * Opens one exchange over the agent's socket and resolves with the answer's head.
 * @throws AskeeError `client/unreachable`, `client/foreign-socket`, or the agent's own code when it answers with a problem
 */
export async function exchange(call: HttpCall): Promise<IncomingMessage> {
  await assertTrusted(call.socket)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: call.socket,
        method: call.method,
        path: call.path,
        headers: {
          host: 'askee',
          ...(call.body === undefined
            ? {}
            : {
                'content-type': call.contentType ?? 'application/json',
                'content-length': call.body.byteLength,
              }),
        },
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      },
      resolve,
    )
    outgoing.on('error', (cause) =>
      reject(call.signal?.aborted === true ? call.signal.reason : unreachable(call.socket, cause)),
    )
    outgoing.end(call.body)
  })
  if ((response.statusCode ?? 500) >= 400)
    throw problemOf(await readAll(response), response.statusCode ?? 500)
  return response
}

/**
 * Passphrases pass: whoever laid a socket where the agent's is looked for would be told them. The entry itself is looked at:
 * where a link leads may be changed between this look and the connection.
 */
async function assertTrusted(path: string): Promise<void> {
  const self = process.geteuid?.() ?? 0
  if (self === 0) return
  const entry = await lstat(path).catch((cause: unknown) => {
    throw unreachable(path, cause)
  })
  if (!entry.isSymbolicLink() && (entry.uid === 0 || entry.uid === self)) return
  throw new AskeeError(
    'client/foreign-socket',
    `${path} ${entry.isSymbolicLink() ? 'is a link, which may lead elsewhere at any time' : 'belongs to another user'}: nothing was sent. Name the socket of your own agent with --data or --control.`,
    { path },
  )
}

function unreachable(path: string, cause: unknown): AskeeError {
  return new AskeeError(
    'client/unreachable',
    `no agent answers at ${path}. Is it running? Start it with: askee agent`,
    {},
    { cause },
  )
}

/** The whole answer. */
export async function readAll(response: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Uint8Array>) {
    length += part.byteLength
    if (length > MAX_ANSWER_BYTES) throw new AskeeError('client/too-large', 'the agent answers without end')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Data fields of a server-sent event stream (WHATWG HTML, "Server-sent events"), one by one. */
export async function* eventData(response: IncomingMessage): AsyncGenerator<string> {
  let pending = ''
  response.setEncoding('utf8')
  for await (const part of response as AsyncIterable<string>) {
    pending += part
    for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
      const data = pending
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
      pending = pending.slice(end + 2)
      if (data.length > 0) yield data.join('\n')
    }
  }
}

function problemOf(body: Uint8Array, status: number): AskeeError {
  try {
    const problem = problemSchema.parse(JSON.parse(fromUtf8(body)))
    return new AskeeError(problem.code, problem.detail, { status })
  } catch {
    return new AskeeError('client/answer', `the agent answered with status ${status}`, { status })
  }
}
