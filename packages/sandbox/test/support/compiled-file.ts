/** Files of compiled modules as PROTOCOL.md gives them, written down a second time with OpenSSL's ciphers. */
import { createCipheriv, createHmac } from 'node:crypto'

const MAGIC = Buffer.from('ASKEECM2')
const HEADER_BYTES = 40

function keyed(key: Uint8Array, use: string, ...parts: Uint8Array[]): Buffer {
  const mac = createHmac('sha256', key).update(`askee/compiled/2/${use}`)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

function stream(key: Uint8Array, tag: Uint8Array, bytes: Uint8Array): Buffer {
  // OpenSSL's parameter is counter and nonce: both begin at zero, as the key serves for one file.
  return createCipheriv('chacha20', keyed(key, 'stream', tag), Buffer.alloc(16)).update(bytes)
}

export function compiledFileName(key: Uint8Array, identity: Uint8Array): string {
  return `${keyed(key, 'name', identity).toString('hex')}.compiled`
}

export function sealCompiled(key: Uint8Array, identity: Uint8Array, compiled: Uint8Array): Buffer {
  const tag = keyed(key, 'tag', identity, compiled)
  return Buffer.concat([MAGIC, tag, stream(key, tag, compiled)])
}

/** What was compiled, or undefined when it is not authentic. */
export function openCompiled(key: Uint8Array, identity: Uint8Array, file: Buffer): Buffer | undefined {
  const tag = file.subarray(MAGIC.byteLength, HEADER_BYTES)
  const compiled = stream(key, tag, file.subarray(HEADER_BYTES))
  const isAuthentic = file.subarray(0, 8).equals(MAGIC) && keyed(key, 'tag', identity, compiled).equals(tag)
  return isAuthentic ? compiled : undefined
}
