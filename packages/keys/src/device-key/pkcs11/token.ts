import { Worker } from 'node:worker_threads'
import { AskeeError } from '@askee/core'
import type { TokenAnswer, TokenCall } from './protocol.ts'

export interface TokenInit {
  /** Path of the PKCS#11 library, e.g. `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly module: string
  readonly tokenLabel: string
  /** Asked once, when the token is opened. */
  readonly pin: () => Promise<string>
}

/** A token and the thread that talks to it. Calls are answered in order. */
export interface Token {
  call(call: TokenCall): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens a session with a token (PKCS#11 2.40).
 * @throws AskeeError `keys/no-pkcs11`, `keys/no-token`, `keys/wrong-pin`, `keys/pin-locked`, `keys/pkcs11`
 */
export async function openToken(init: TokenInit): Promise<Token> {
  const pin = await init.pin()
  const token = startThread()
  try {
    await token.call({ op: 'open', module: init.module, tokenLabel: init.tokenLabel, pin })
    return token
  } catch (error) {
    await token.close()
    throw error
  }
}

interface Waiting {
  resolve(value: Uint8Array): void
  reject(error: unknown): void
}

function startThread(): Token {
  const worker = new Worker(new URL('./worker.ts', import.meta.url))
  // An idle token keeps no process alive; a question under way does.
  worker.unref()
  const waiting = new Map<number, Waiting>()
  let next = 0
  let ended: AskeeError | undefined

  const end = (error: AskeeError): void => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  worker.on('message', (answer: TokenAnswer) => {
    const question = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (waiting.size === 0) worker.unref()
    if ('value' in answer) question?.resolve(answer.value)
    else question?.reject(new AskeeError(answer.code, answer.text))
  })
  worker.on('error', (cause) => {
    end(
      new AskeeError(
        'keys/no-pkcs11',
        'PKCS#11 cannot be used: the optional dependency pkcs11js is missing or broken. Install with its install script allowed, or choose another provider.',
        {},
        { cause },
      ),
    )
  })
  worker.on('exit', () => end(new AskeeError('keys/closed', 'the token was closed; open it again')))

  const call = (request: TokenCall): Promise<Uint8Array> => {
    if (ended !== undefined) return Promise.reject(ended)
    return new Promise((resolve, reject) => {
      const id = next++
      waiting.set(id, { resolve, reject })
      worker.ref()
      worker.postMessage({ id, call: request })
    })
  }
  return {
    call,
    async close() {
      await call({ op: 'close' }).catch(() => undefined)
      await worker.terminate()
    },
  }
}
