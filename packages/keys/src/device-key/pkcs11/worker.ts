/** The thread of a token: PKCS#11 calls block, some for seconds, so none may run on the agent's thread. */
import { parentPort } from 'node:worker_threads'
import type { TokenAnswer, TokenCall, TokenRequest } from './protocol.ts'
import { nameOf, TokenError, TokenSession } from './session.ts'

const NOTHING = new Uint8Array(0)
let session: TokenSession | undefined

function answer(call: TokenCall): Uint8Array {
  if (call.op === 'open') {
    session = new TokenSession(call)
    return NOTHING
  }
  if (session === undefined) throw new TokenError('keys/closed', 'the token is not open')
  switch (call.op) {
    case 'aes-key':
      return session.aesKey(call)
    case 'encrypt':
    case 'decrypt':
      return session.cipher(call)
    case 'ec-key':
      return session.ecKey(call)
    case 'sign':
      return session.sign(call)
    case 'destroy':
      session.destroy(call)
      return NOTHING
    case 'close':
      session.close()
      session = undefined
      return NOTHING
  }
}

function refusal(error: unknown): { code: string; text: string } {
  if (error instanceof TokenError) return { code: error.code, text: error.message }
  const name = nameOf(error)
  if (name === 'CKR_PIN_INCORRECT' || name === 'CKR_PIN_LEN_RANGE' || name === 'CKR_PIN_INVALID') {
    return { code: 'keys/wrong-pin', text: 'the token refused the PIN. Too many wrong ones lock it.' }
  }
  if (name === 'CKR_PIN_LOCKED') {
    return { code: 'keys/pin-locked', text: 'the token is locked; its security officer can unlock it' }
  }
  return { code: 'keys/pkcs11', text: `the token answered ${name}` }
}

parentPort?.on('message', ({ id, call }: TokenRequest) => {
  let reply: TokenAnswer
  try {
    reply = { id, value: answer(call) }
  } catch (error) {
    reply = { id, ...refusal(error) }
  }
  parentPort?.postMessage(reply)
})
